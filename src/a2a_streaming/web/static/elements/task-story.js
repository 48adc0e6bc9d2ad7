// A task's story: its turns, with the steps on the way, what was said, what came out, and the form that waits.

import { arrange, eachFrame, h } from "../dom.js";
import { clock, heading } from "../format.js";
import { Story, formOf, textOf } from "../story.js";
import { partView } from "./task-artifact.js";
import "./task-artifact.js";
import "./task-form.js";

const MOST_STEPS = 60; // of a turn's; who wants them all looks at the log

class TaskStory extends HTMLElement {
  /** The story; give it messages by `take`. */
  story = new Story();
  #turns = new Map(); // id → {version, element, items: Map}
  #paint = eachFrame(() => this.#render());
  #form = null;

  /** Take a message of the stream; it is shown with the next frame. */
  take(message) {
    this.story.take(message);
    if (message.kind === "reset") this.#forget();
    this.#paint();
  }

  /** Show another story, or this one up to another place. */
  tell(story) {
    this.story = story;
    this.#forget();
    this.#paint();
  }

  #forget() {
    this.#turns.clear();
    this.replaceChildren();
  }

  #render() {
    const { story } = this;
    const elements = story.turns.map((turn, place) => this.#turn(turn, place === story.turns.length - 1));
    arrange(this, elements);
    this.dataset.state = story.state;
    this.dispatchEvent(new CustomEvent("told", { bubbles: true }));
  }

  #turn(turn, last) {
    let shown = this.#turns.get(turn.id);
    if (!shown) {
      shown = { version: 0, element: h("section.turn", { dataset: { turn: turn.id } }), items: new Map() };
      this.#turns.set(turn.id, shown);
    }
    const form = last && !this.hasAttribute("readonly") ? this.story.form : null;
    const version = `${turn.version} ${form ? "form" : ""} ${last ? this.story.state : ""}`;
    if (shown.version === version) return shown.element;
    shown.version = version;
    const children = [];
    if (turn.said) children.push(this.#kept(shown, "said", () => bubble(turn.said, "customer", turn.at, this.hasAttribute("readonly") ? "Customer" : "You")));
    if (turn.steps.length) children.push(this.#steps(shown, turn));
    for (const item of turn.items) children.push(...this.#safely(shown, item));
    if (form) children.push(this.#asked(form));
    arrange(shown.element, children);
    return shown.element;
  }

  #kept(shown, key, make) {
    let element = shown.items.get(key);
    if (!element) shown.items.set(key, (element = make()));
    return element;
  }

  #steps(shown, turn) {
    const list = this.#kept(shown, "steps", () => h("ol.steps", { "aria-label": "Progress" }));
    const hidden = Math.max(0, turn.steps.length - MOST_STEPS);
    // What leaves at the front leaves alone: the others stay as they are.
    for (let left = hidden - Number(list.dataset.from ?? 0); left > 0; left -= 1) list.firstChild?.remove();
    list.dataset.from = hidden;
    list.dataset.hidden = hidden ? `${hidden} earlier steps` : "";
    arrange(list, turn.steps.slice(hidden).map((step, place) => {
      const item = list.children[place] ?? h("li", {}, h("span.mark", { "aria-hidden": "true" }), h("span.step"));
      if (item.dataset.state !== step.state) item.dataset.state = step.state;
      if (step.agent) item.dataset.agent = step.agent;
      if (step.name) item.dataset.step = step.name;
      const label = item.querySelector(".step");
      if (label.textContent !== step.text) label.textContent = step.text;
      return item;
    }));
    return list;
  }

  /** Whatever an agent sends, the rest of the story is shown. */
  #safely(shown, item) {
    try {
      return this.#item(shown, item);
    } catch (error) {
      console.warn("This can't be shown:", item, error);
      return [this.#kept(shown, `${item.id} broken`, () => h("p.note", {}, "Something that this page can't show."))];
    }
  }

  #item(shown, item) {
    if (item.kind === "said") {
      if (!textOf(item.message) && !filesOf(item.message).length) return [];
      return [this.#kept(shown, item.id, () => bubble(item.message, item.who, item.at, item.name))];
    }
    if (item.kind === "note") return [this.#kept(shown, item.id, () => h("p.note", {}, item.text))];
    if (item.artifact.name === "intent") {
      const version = `${item.id} ${item.artifact.parts?.length} ${JSON.stringify(item.artifact.parts).length}`;
      return [this.#kept(shown, version, () => understood(item.artifact))];
    }
    const element = this.#kept(shown, item.id, () => document.createElement("task-artifact"));
    element.show(item.artifact, item.complete);
    return [element];
  }

  #asked(form) {
    const message = this.story.task.status.message.messageId;
    if (this.#form?.asks !== message) this.#form = document.createElement("task-form");
    this.#form.show(form, message);
    return this.#form;
  }
}

/** What somebody said. */
function bubble(message, who, at, name) {
  const author = name ?? "Assistant";
  const form = who === "agent" ? formOf(message) : null;
  // A form shows its choices itself.
  const text = form?.choices?.length && textOf(message).includes("\n- ") ? textOf(message).split("\n- ")[0] : textOf(message);
  return h(
    `article.bubble.${who}`,
    { dataset: { message: message.messageId } },
    h("header", {}, h("span.author", {}, author), at && h("time", { datetime: at }, clock(at))),
    h("div.text", {}, text.replace(/ \(yes or no\)$/, "")),
    filesOf(message).map(partView),
  );
}

function filesOf(message) {
  return (message.parts ?? []).filter((part) => part.raw !== undefined || part.url !== undefined);
}

/** What the Intent Agent understood, in words. */
function understood(artifact) {
  const data = artifact.parts?.find((part) => part.data)?.data;
  const intents = data?.intents ?? [];
  return h(
    "p.understood",
    {},
    h("span.label", {}, "Understood"),
    intents.map((intent) =>
      h("span.chip", { title: `${Math.round(intent.confidence * 100)} % sure` }, heading(intent.intent), intent.route && h("span.route", {}, heading(intent.route))),
    ),
  );
}

customElements.define("task-story", TaskStory);
