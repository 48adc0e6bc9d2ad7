// One conversation: its tasks in order, each followed over the page's one stream, and what is being sent.

import { CallError, call, freshId, persist } from "/web/api.js";
import { h } from "/web/dom.js";
import { label } from "/web/fold.js";
import { textOf } from "/web/story.js";
import "/web/elements/task-story.js";

const KEPT = "a2a-sending";
const RECENT = 40;

export class Conversation {
  /** Its id; empty until its first message was accepted. */
  context = "";
  #tasks = new Map(); // id → {element, unfollow, began}
  #sending = new Map(); // message id → {element, task}

  /**
   * @param {Element} place where it is shown
   * @param {import("/web/stream.js").Stream} stream the page's stream
   * @param {{changed: () => void, begun: (task: string) => void, announce: (text: string) => void}} page told what happens
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

  /** The task that goes on or waits. */
  get open() {
    return [...this.#tasks].findLast(([, { element }]) => element.story.task && !element.story.ended);
  }

  get isEmpty() {
    return this.#tasks.size + this.#sending.size === 0;
  }

  /** Show a conversation that there is. */
  async load(context) {
    this.leave();
    this.context = context;
    await this.renew();
    if (this.context !== context) return; // another one was chosen meanwhile
    this.#resume();
    this.page.changed();
  }

  /** Follow what other devices have begun in it. */
  async renew() {
    const { context } = this;
    if (!context) return;
    const told = await persist(() => call("ListTasks", { contextId: context, pageSize: RECENT, historyLength: 0 }));
    if (this.context !== context) return;
    for (const task of (told.tasks ?? []).reverse()) this.attach(task.id);
  }

  /** Show one task alone: what a link to another device opens. */
  show(task) {
    this.leave();
    this.attach(task);
  }

  /** Begin a new one. */
  leave() {
    for (const { unfollow } of this.#tasks.values()) unfollow();
    this.#tasks.clear();
    this.#sending.clear();
    this.place.replaceChildren();
    this.context = "";
  }

  /** Follow a task of this conversation. */
  attach(id) {
    if (this.#tasks.has(id)) return;
    const element = document.createElement("task-story");
    element.addEventListener("told", () => this.#told(id));
    element.addEventListener("answer", ({ detail }) => this.#answer(element, id, detail));
    const task = { element, unfollow: () => {}, began: Infinity };
    this.#tasks.set(id, task);
    this.place.append(element);
    task.unfollow = this.stream.follow(id, (message) => this.#take(id, message));
  }

  /** Send what the customer says: to the task that waits for it, else as a new one. */
  async send(parts) {
    const waiting = this.open?.[1].element.story.waiting ? this.open[0] : undefined;
    const message = { messageId: freshId(), role: "ROLE_USER", parts };
    if (waiting) message.taskId = waiting;
    if (this.context) message.contextId = this.context;
    keep(this.#kept().concat(message));
    await this.#deliver(message);
  }

  /** Cancel what goes on. */
  async cancel() {
    const id = this.open?.[0];
    if (id) await persist(() => call("CancelTask", { id }));
  }

  async #answer(element, id, { data, text }) {
    const form = element.querySelector("task-form");
    form.busy = true;
    try {
      await this.send([{ text }, { data, mediaType: "application/json" }]);
    } finally {
      form.busy = false;
    }
  }

  /** Hand a message over, as often as it takes: it is known again by its id. */
  async #deliver(message) {
    const element = sendingBubble(message);
    this.#sending.set(message.messageId, { element });
    this.place.append(element);
    this.page.changed();
    try {
      const asked = { message, configuration: { returnImmediately: true } };
      const told = await persist(() => call("SendMessage", asked), () => element.classList.add("slow"));
      const context = told.task?.contextId ?? told.message?.contextId;
      const elsewhere = this.context && this.context !== context;
      keep(this.#kept().filter((one) => one.messageId !== message.messageId));
      if (elsewhere || !this.#sending.has(message.messageId)) return; // the customer has left meanwhile
      this.context = context;
      this.attach(told.task.id);
      this.page.begun(told.task.id);
      this.#told(told.task.id);
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      keep(this.#kept().filter((one) => one.messageId !== message.messageId));
      const again = () => {
        element.remove();
        keep(this.#kept().concat(message));
        this.#deliver(message);
      };
      element.classList.add("failed");
      element.append(h("p.trouble", { role: "alert" }, `Not sent: ${error.message} `, h("button", { type: "button", onclick: again }, "Send again")));
    }
  }

  /** After a reload: what was on its way is sent again, under the same id. */
  #resume() {
    for (const message of this.#kept()) {
      if ((message.contextId ?? "") === this.context && !this.#sending.has(message.messageId)) this.#deliver(message);
    }
  }

  #kept() {
    return JSON.parse(sessionStorage.getItem(KEPT) ?? "[]");
  }

  #take(id, message) {
    const task = this.#tasks.get(id);
    if (!task) return;
    if (message.kind === "gone") {
      task.unfollow();
      task.element.remove();
      this.#tasks.delete(id);
      return;
    }
    if (message.position && task.began === Infinity) {
      task.began = beginning(message);
      this.#sort();
    }
    this.#announce(message, task.element.story.state);
    task.element.take(message);
  }

  #sort() {
    const entries = [...this.#tasks].sort(([, one], [, other]) => one.began - other.began);
    const ids = [...this.#tasks.keys()];
    if (entries.every(([id], place) => id === ids[place])) return;
    this.#tasks = new Map(entries);
    const sending = [...this.#sending.values()].map((one) => one.element);
    this.place.append(...entries.map(([, { element }]) => element), ...sending);
  }

  /** What screen readers are told: what is new since the page was opened. */
  #announce({ kind, body }) {
    const update = kind === "event" ? body.statusUpdate : undefined;
    const message = update?.status.message;
    const fresh = update && Date.now() - Date.parse(update.status.timestamp) < 30_000;
    if (fresh && message?.role === "ROLE_AGENT") this.page.announce(textOf(message));
    else if (fresh && label(update.status.state) === "canceled") this.page.announce("Canceled");
  }

  /** A story is told further: what stands in it isn't on its way any more. */
  #told(id) {
    const story = this.#tasks.get(id)?.element.story;
    if (!story) return;
    for (const [message, { element }] of this.#sending) {
      if (story.turns.some((turn) => turn.id === message)) {
        this.#sending.delete(message);
        element.remove();
      }
    }
    this.page.changed();
  }
}

/** When a task was begun, ms: its first event says it; after a reset its epoch tells it to about a second. */
function beginning({ kind, body, position }) {
  return kind === "event" && body.task ? Date.parse(body.task.status.timestamp) : Number(position.split("-")[0]) / 1000;
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
