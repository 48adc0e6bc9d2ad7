// The list of conversations.

import { call, persist } from "/web/api.js";
import { arrange, h } from "/web/dom.js";
import { label, waits } from "/web/fold.js";
import { lately } from "/web/format.js";
import { textOf } from "/web/story.js";

const MOST = 100;
const PAUSE = 400;

export class History {
  #timer = null;
  #shown = new Map();

  /**
   * @param {Element} list where it is shown
   * @param {() => string} current the conversation that is open
   */
  constructor(list, current) {
    this.list = list;
    this.current = current;
  }

  /** Look again, soon: once for all that changes now. */
  refresh() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#load().catch(() => {}), PAUSE); // it is asked again with the next change
  }

  async #load() {
    const { tasks = [] } = await persist(() => call("ListTasks", { pageSize: MOST }));
    const conversations = new Map();
    for (const task of tasks) {
      const known = conversations.get(task.contextId);
      // The latest change comes first: the last one of a conversation is its oldest task.
      if (known) known.first = task;
      else conversations.set(task.contextId, { first: task, latest: task });
    }
    arrange(this.list, [...conversations].map(([context, one]) => this.#entry(context, one)));
    this.mark();
  }

  /** Mark the conversation that is open. */
  mark() {
    for (const link of this.list.querySelectorAll("a")) {
      if (link.dataset.context === this.current()) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }

  #entry(context, { first, latest }) {
    const said = (first.history ?? []).find((message) => message.role === "ROLE_USER") ?? first.status.message;
    const state = label(latest.status.state);
    const mark = latest.metadata?.handover?.open ? "with a person" : waits(state) ? "waits for you" : state;
    const version = `${state} ${mark} ${latest.status.timestamp}`;
    const known = this.#shown.get(context);
    if (known?.version === version) return known.element;
    const element = h(
      "li",
      {},
      h(
        "a",
        { href: `#context=${encodeURIComponent(context)}`, dataset: { context } },
        h("span.title", {}, textOf(said) || "Conversation"),
        h("span.about", {}, h("span", {}, lately(latest.status.timestamp)), h("span", {}, mark)),
      ),
    );
    this.#shown.set(context, { version, element });
    return element;
  }
}
