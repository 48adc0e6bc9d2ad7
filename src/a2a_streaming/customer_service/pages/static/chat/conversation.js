// One conversation: its tasks in order, each followed over the page's one stream, and what is being sent.

import { CallError, call, freshId, persist } from "/web/api.js";
import { h } from "/web/dom.js";
import { isTerminal, label, waits } from "/web/fold.js";
import { textOf } from "/web/story.js";
import "/web/elements/task-story.js";

const KEPT = "a2a-sending";
const RECENT = 40;
const CAUGHT_UP = 1500; // ms after which what comes is news, and no history
const HAS_ENDED = -32004; // JSON-RPC: the task takes no more messages

export class Conversation {
  /** Its id: chosen with its first message; empty before. */
  context = "";
  /** The one task that may be talked to, for whoever came by a link; empty for everybody else. */
  only = "";
  #tasks = new Map(); // id → {element, unfollow, began, state, since}
  #sending = new Map(); // message id → its bubble

  /**
   * @param {Element} place where it is shown
   * @param {import("/web/stream.js").Stream} stream the page's stream
   * @param {{changed: () => void, named: () => void, begun: (task: string) => void, announce: (text: string) => void}} page
   *   told what happens
   */
  constructor(place, stream, page) {
    this.place = place;
    this.stream = stream;
    this.page = page;
  }

  /** The latest task's story; undefined without one. */
  get latest() {
    return [...this.#tasks.values()].at(-1)?.element.story;
  }

  /** The story that waits for the customer or, if none does, goes on; undefined without one. */
  get open() {
    return this.#tasks.get(this.#waiting() ?? this.#unended())?.element.story;
  }

  get isEmpty() {
    return this.#tasks.size + this.#sending.size === 0;
  }

  /** Show a conversation that there is. */
  async load(context) {
    this.leave();
    this.context = context;
    try {
      await this.renew();
    } finally {
      if (this.context === context) this.#resume();
      this.page.changed();
    }
  }

  /** Follow what other devices have begun in it. */
  async renew() {
    const { context } = this;
    if (!context) return;
    const asked = { contextId: context, pageSize: RECENT, historyLength: 0 };
    const told = await persist(() => call("ListTasks", asked));
    if (this.context !== context) return; // another one was chosen meanwhile
    for (const task of (told.tasks ?? []).reverse()) this.attach(task.id, label(task.status.state));
  }

  /** Show one task alone: what a link to another device opens. */
  show(task) {
    this.leave();
    this.only = task;
    this.attach(task);
    this.#resume();
  }

  /** Begin a new one. */
  leave() {
    for (const { unfollow } of this.#tasks.values()) unfollow();
    this.#tasks.clear();
    this.#sending.clear();
    this.place.replaceChildren();
    this.context = "";
    this.only = "";
  }

  /**
   * Follow a task of this conversation.
   * @param {string} id the task
   * @param {string} state its state, as far as it is known before its story comes
   */
  attach(id, state = "submitted") {
    if (this.#tasks.has(id)) return;
    const element = document.createElement("task-story");
    element.addEventListener("told", () => this.#told(id));
    element.addEventListener("answer", ({ detail }) => this.#answer(element, id, detail));
    const task = { element, unfollow: () => {}, began: Infinity, state, since: performance.now() };
    this.#tasks.set(id, task);
    this.place.append(element);
    task.unfollow = this.stream.follow(id, (message) => this.#take(id, message));
  }

  /**
   * Send what the customer says.
   * @param {object[]} parts A2A parts
   * @param {string | undefined} to the task that it answers; without one it begins a new task
   */
  async send(parts, to = this.#waiting()) {
    const message = { messageId: freshId(), role: "ROLE_USER", parts };
    if (this.only) {
      message.taskId = this.only;
    } else {
      // Chosen here, so that what is said at once again belongs to the same conversation, also over a reload.
      this.context ||= freshId();
      message.contextId = this.context;
      if (to) message.taskId = to;
      this.page.named();
    }
    keep([...kept(), message]);
    await this.#deliver(message);
  }

  /** Cancel what waits or goes on. */
  async cancel() {
    const id = this.#waiting() ?? this.#unended();
    if (id) await persist(() => call("CancelTask", { id }));
  }

  #state({ element, state }) {
    return element.story.task ? element.story.state : state;
  }

  #waiting() {
    return [...this.#tasks].findLast(([, task]) => waits(this.#state(task)))?.[0];
  }

  #unended() {
    return [...this.#tasks].findLast(([, task]) => !isTerminal(this.#state(task)))?.[0];
  }

  async #answer(element, id, { data, text }) {
    const form = element.querySelector("task-form");
    form.busy = true; // until the answer is in the story, and another form or none takes its place
    await this.send([{ text }, { data, mediaType: "application/json" }], id);
    if (kept().length) form.busy = false; // it wasn't accepted
  }

  /** Hand a message over, as often as it takes: it is known again by its id. */
  async #deliver(message) {
    const bubble = sendingBubble(message);
    this.#sending.set(message.messageId, bubble);
    this.place.append(bubble);
    this.page.changed();
    try {
      const asked = { message, configuration: { returnImmediately: true } };
      const told = await persist(() => call("SendMessage", asked), { waiting: () => bubble.classList.add("slow") });
      keep(kept().filter((one) => one.messageId !== message.messageId));
      if (this.#sending.get(message.messageId) !== bubble) return; // the customer has left meanwhile
      const task = told.task?.id ?? message.taskId;
      this.attach(task);
      this.page.begun(task);
      this.#told(task);
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      this.#refused(message, bubble, error);
    }
  }

  /** A message wasn't taken: it stays here until the customer sends it again, or throws it away. */
  #refused(message, bubble, error) {
    const forget = () => {
      bubble.remove();
      this.#sending.delete(message.messageId);
      keep(kept().filter((one) => one.messageId !== message.messageId));
      this.page.changed();
    };
    if (error.code === HAS_ENDED && message.taskId && !this.only) {
      // What it was to answer has ended meanwhile, on another device perhaps: it begins something of its own.
      forget();
      this.send(message.parts, "");
      return;
    }
    const again = () => {
      forget();
      this.send(message.parts);
    };
    bubble.classList.add("failed");
    bubble.append(
      h("p.trouble", { role: "alert" }, `Not sent: ${error.message} `, h("button", { type: "button", onclick: again }, "Send again"), " ",
        h("button", { type: "button", onclick: forget }, "Discard")),
    );
  }

  /** After a reload: what was on its way is sent again, under the same id. */
  #resume() {
    for (const message of kept()) {
      const here = this.only ? message.taskId === this.only : (message.contextId ?? "") === this.context;
      if (here && !this.#sending.has(message.messageId)) this.#deliver(message);
    }
  }

  #take(id, message) {
    const task = this.#tasks.get(id);
    if (!task) return;
    if (message.kind === "gone") {
      task.unfollow();
      task.element.remove();
      this.#tasks.delete(id);
      this.page.changed();
      return;
    }
    if (message.position && task.began === Infinity) {
      task.began = beginning(message);
      this.#sort();
    }
    this.#announce(message, task);
    task.element.take(message);
  }

  #sort() {
    const entries = [...this.#tasks].sort(([, one], [, other]) => one.began - other.began);
    const ids = [...this.#tasks.keys()];
    if (entries.every(([id], place) => id === ids[place])) return;
    this.#tasks = new Map(entries);
    this.place.append(...entries.map(([, { element }]) => element), ...this.#sending.values());
  }

  /** What screen readers are told: what is new since the story was opened. */
  #announce({ kind, body }, { since }) {
    if (kind !== "event" || performance.now() - since < CAUGHT_UP) return;
    const { statusUpdate, artifactUpdate } = body;
    const said = statusUpdate?.status.message;
    if (said?.role === "ROLE_AGENT") this.page.announce(textOf(said));
    else if (label(statusUpdate?.status.state) === "canceled") this.page.announce("Canceled");
    else if (artifactUpdate?.lastChunk && artifactUpdate.artifact.description) this.page.announce(artifactUpdate.artifact.description);
  }

  /** A story is told further: what stands in it isn't on its way any more. */
  #told(id) {
    const story = this.#tasks.get(id)?.element.story;
    if (!story) return;
    for (const [message, bubble] of this.#sending) {
      if (story.turns.some((turn) => turn.id === message)) {
        this.#sending.delete(message);
        bubble.remove();
      }
    }
    this.page.changed();
  }
}

/** When a task was begun, ms: its first event says it; after a reset its epoch tells it to about a second. */
function beginning({ kind, body, position }) {
  return kind === "event" && body.task ? Date.parse(body.task.status.timestamp) : Number(position.split("-")[0]) / 1000;
}

function kept() {
  return JSON.parse(sessionStorage.getItem(KEPT) ?? "[]");
}

function keep(messages) {
  sessionStorage.setItem(KEPT, JSON.stringify(messages));
}

function sendingBubble(message) {
  return h(
    "div.pending",
    { dataset: { sending: message.messageId } },
    h("article.bubble.customer.pending", {}, h("header", {}, h("span.author", {}, "You")), h("div.text", {}, textOf(message))),
    h("ol.steps", { "aria-label": "Progress" }, h("li", { dataset: { state: "active" } }, h("span.mark", { "aria-hidden": "true" }), h("span.step", {}, "Sending"))),
  );
}
