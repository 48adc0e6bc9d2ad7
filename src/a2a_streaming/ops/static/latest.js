// The tasks that have changed last, in a line each.

import { ask, CallError } from "/web/api.js";
import { atMost, h } from "/web/dom.js";
import { clock, heading } from "/web/format.js";
import { address, stateMark } from "./links.js";
import { patch } from "./patch.js";

const PAUSE = 2000;
const MOST = 5;

export class Latest {
  element = h("ul.latest");

  close() {
    this.closed = true;
  }

  /** Something has changed: look again, but not all the time. */
  soon = atMost(PAUSE, () => this.closed || document.hidden || this.#load());

  async #load() {
    try {
      const { tasks } = await ask(`/ops/api/tasks?size=${MOST}`);
      patch(this.element, tasks.length ? tasks.map(row) : h("li.empty", {}, "No task yet."));
    } catch (error) {
      if (!(error instanceof CallError)) throw error; // it is asked again with the next change
    }
  }
}

function row(task) {
  return h("li", { dataset: { key: task.id } }, stateMark(task.state), h("a", { href: address({ task: task.id }), title: task.text ?? "" }, task.text || task.id.slice(0, 12)),
    h("small", {}, `${heading(task.agent)}, ${clock(new Date(task.changed).toISOString())}`));
}
