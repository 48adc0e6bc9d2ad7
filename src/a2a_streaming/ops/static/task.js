// One task: how it stands, its steps across agents, its watchers, and its history, to be replayed.

import { ask, CallError } from "/web/api.js";
import { arrange, atMost, eachFrame, h } from "/web/dom.js";
import { dataView, disclosure, jsonView } from "/web/elements/data-view.js";
import "/web/elements/task-story.js";
import { heading, when } from "/web/format.js";
import { Story } from "/web/story.js";
import { intervene } from "./actions.js";
import { link, stateMark } from "./links.js";
import { patch } from "./patch.js";
import { save } from "./tasks.js";
import { draw } from "./waterfall.js";

const PAGE = 500;
const PACE = 1; // of the real time, while it is replayed
const LONGEST = 1500; // ms that a replay waits for an event at most

export class TaskPage {
  #log = []; // {position, at, event}; what was before its beginning is gone if that has a `reset`, the reason
  #shown = 0; // how much of it the view has been told
  #children = []; // {id, agent, log}
  #told = null;
  #at = null; // the scrubber's place; null at the log's end, and stays there
  #playing = null;
  #head = h("div.task-head");
  #lost = h("p.soft", { hidden: true });
  #steps = h("div");
  #facts = h("div");
  #results = disclosure("Results of steps", () => jsonView(this.#told?.steps ?? []));
  #view = h("task-story", { readonly: true });
  #range = h("input", { type: "range", min: 0, max: 0, value: 0, "aria-label": "Position in its history" });
  #where = h("output.id");
  #play = h("button", { type: "button" }, "▶ Replay");
  #event = h("div");
  #whole = disclosure("Task at this position", () => jsonView(this.#view.story.task));
  #trouble = h("p.trouble", { role: "alert" });
  #unread = false; // whether that is what it says: what an action was told stays until the next one
  #paint = eachFrame(() => this.#render());
  #paintRest = atMost(1000, () => this.#renderRest());

  /**
   * @param {Element} place where it is shown
   * @param {import("/web/stream.js").Stream} stream the page's stream
   * @param {string} id the task
   */
  constructor(place, stream, id) {
    this.id = id;
    arrange(place, [
      h("div.panel", {}, this.#head, this.#trouble),
      h("section.panel", { "aria-label": "Steps" }, h("h2", {}, "Steps across agents"), this.#steps),
      h("section.panel", { "aria-label": "History" }, h("h2", {}, "History"), this.#lost,
        h("div.scrubber", {}, this.#play, this.#range, this.#where),
        h("div.replay", {}, h("div.story", { tabindex: "0", role: "region", "aria-label": "Story" }, this.#view), h("div", {}, this.#event, this.#whole))),
      h("section.panel", { "aria-label": "Facts" }, h("h2", {}, "Facts"), this.#facts, this.#results),
    ]);
    this.#range.addEventListener("input", () => this.#goTo(Number(this.#range.value)));
    this.#play.addEventListener("click", () => this.#replay());
    this.leave = stream.follow(id, (message) => this.#take(message));
    this.#look();
  }

  close() {
    this.leave();
    clearTimeout(this.#playing);
    this.closed = true;
  }

  /** Each event of the stream: the log itself comes by it, from its beginning. */
  #take(message) {
    if (message.kind === "event") {
      this.#log.push({ position: message.position, at: timeOf(message, this.#log.at(-1)), event: message.body });
    } else if (message.kind === "reset") {
      const { reason, task } = message.body;
      this.#log = [{ position: message.position, at: timeOf(message), reset: reason ?? "", event: { task } }];
      clearTimeout(this.#playing);
      this.#playing = this.#at = null;
      this.#anew();
    } else {
      this.#trouble.textContent = "This task isn't there any more.";
    }
    this.#look();
    this.#paint();
  }

  /** The view begins with nothing. */
  #anew() {
    this.#view.tell(new Story());
    this.#shown = 0;
  }

  #loads = Promise.resolve(); // one after the other: each goes on where the one before has ended
  #look = atMost(1000, () => {
    this.#loads = this.#loads.then(() => this.#load());
  });

  async #load() {
    if (this.closed) return;
    try {
      this.#told = await ask(`/ops/api/tasks/${encodeURIComponent(this.id)}`);
      if (this.#unread) this.#trouble.textContent = "";
      this.#unread = false;
      this.#children = await Promise.all((this.#told.children ?? []).map((child) => childOf(child, this.#children)));
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      this.#unread = true;
      this.#trouble.textContent = error.message;
    }
    this.#paint();
  }

  #goTo(place) {
    this.#at = place >= this.#log.length ? null : place;
    this.#paint();
  }

  /** Tell the story again as it went, from the scrubber's place or from the beginning. */
  #replay() {
    if (this.#playing) {
      clearTimeout(this.#playing);
      this.#playing = null;
      this.#paint();
      return;
    }
    if (this.#at === null) this.#at = 0;
    const step = () => {
      const before = this.#log[this.#at];
      const next = this.#log[this.#at + 1];
      this.#goTo(this.#at + 1);
      const wait = next && before ? Math.min(LONGEST, Math.max(30, (next.at - before.at) / PACE)) : 0;
      this.#playing = this.#at === null ? null : setTimeout(step, wait);
      this.#paint();
    };
    this.#playing = setTimeout(step, 300);
    this.#paint();
  }

  #render() {
    const place = this.#at ?? this.#log.length;
    // Forward an event after the other; backward from the beginning.
    if (place < this.#shown) this.#anew();
    for (const { position, event, reset } of this.#log.slice(this.#shown, place)) {
      this.#view.take(reset === undefined ? { kind: "event", position, body: event } : { kind: "reset", position, body: { reason: reset, task: event.task } });
    }
    this.#shown = place;
    const begun = this.#log[0]?.reset;
    this.#lost.hidden = begun === undefined;
    this.#lost.textContent = `What was before isn't there any more${begun ? ` (${begun})` : ""}: it begins with the task as it stood then.`;
    this.#range.max = this.#log.length;
    this.#range.value = place;
    this.#where.value = place ? `${place} of ${this.#log.length} · ${this.#log[place - 1].position}` : `0 of ${this.#log.length}`;
    this.#play.textContent = this.#playing ? "⏸ Pause" : "▶ Replay";
    this.#paintRest();
  }

  /** What changes with each event, and is looked at now and then. */
  #renderRest() {
    const event = this.#log[(this.#at ?? this.#log.length) - 1]?.event;
    patch(this.#event, h("h3", {}, "Event"), event ? jsonView(event) : h("p.empty", {}, "Before the first event."));
    again(this.#whole, this.#view.story.task);
    again(this.#results, this.#told?.steps);
    patch(this.#steps, draw([{ agent: this.#told?.meta?.agent ?? "this", log: this.#log }, ...this.#children]));
    this.#renderHead();
  }

  #renderHead() {
    const told = this.#told;
    if (!told) return patch(this.#head, h("h1", {}, "Task"));
    const { meta = {}, watchers = [], parent, children = [] } = told;
    const open = !["completed", "failed", "canceled", "rejected"].includes(meta.state);
    const act = (does) => h(does === "cancel" ? "button.danger" : "button", { type: "button", onclick: () => this.#act(does) }, heading(does));
    patch(this.#head,
      h("div.head", {}, h("h1", {}, heading(meta.agent ?? "Task"), " task"), stateMark(meta.state ?? ""), h("span.id", {}, this.id)),
      h("div.actions", {}, link("All tasks", {}), open && [act("retry"), act("escalate"), act("cancel")], h("button", { type: "button", onclick: () => this.#export() }, "Export JSON Lines")),
    );
    const facts = Object.entries(meta).filter(([, value]) => typeof value !== "object" && value !== "");
    const { lease, epochs = [], flags = [] } = meta;
    const related = (id) => link(id.slice(0, 12), { task: id });
    this.#results.hidden = !told.steps?.length;
    patch(this.#facts,
      h("dl.facts", {}, facts.map(([key, value]) => fact(heading(key), /^(created|changed)$/.test(key) ? when(new Date(value).toISOString()) : String(value))),
        lease && fact("Lease", `${lease.node}, ends in ${Math.round(lease.endsInMs / 1000)} s`),
        epochs.length > 0 && fact("Epochs", epochs.map((one) => `${one.epoch} from ${one.from}`).join(", ")),
        flags.length > 0 && fact("Flags", flags.join(", ")),
        parent && fact("Parent", related(parent)),
        children.length > 0 && fact("Children", children.map((child) => [related(child), " "])),
        fact("Watchers", watchers.length ? watchers.map((one) => `${one.node}: ${one.count}`).join(", ") : "none")),
      told.steps?.length > 0 && dataView(told.steps.map(({ turn, kind, name, bytes }) => ({ kind, name, turn, bytes })), { raw: false }),
    );
  }

  async #act(does) {
    this.#trouble.textContent = "";
    try {
      if (await intervene(does, this.id)) this.#look();
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      this.#trouble.textContent = error.message;
    }
  }

  #export() {
    save(`${this.id}.jsonl`, "application/jsonl", this.#log.map((one) => `${JSON.stringify(one)}\n`).join(""));
  }
}

/** Show JSON in an open disclosure as it is now. */
function again(shown, told) {
  if (shown.open && shown.children.length > 1) patch(shown.lastChild, ...jsonView(told).childNodes);
}

function fact(title, content) {
  return h("div", {}, h("dt", {}, title), h("dd", {}, content));
}

/** When an event was written, ms, as far as it is told: an artifact's has no time of its own, so it has that before it. */
function timeOf({ position, body }, before) {
  const told = (body.task ?? body.statusUpdate)?.status?.timestamp;
  return told ? Date.parse(told) : (before?.at ?? Math.floor(Number(position.split("-")[0]) / 1000));
}

/** A task that works for this one: what is known of it, and what its log has further. */
async function childOf(id, known) {
  const child = known.find((one) => one.id === id) ?? { id, agent: "", log: [] };
  const [{ meta }] = await Promise.all([ask(`/ops/api/tasks/${encodeURIComponent(id)}`), extend(id, child.log)]);
  child.agent = meta.agent;
  return child;
}

async function extend(id, log) {
  for (let more = true; more; ) {
    const after = log.at(-1)?.position;
    const told = await ask(`/ops/api/tasks/${encodeURIComponent(id)}/events?${new URLSearchParams({ size: PAGE, ...(after ? { after } : {}) })}`);
    for (const { position, event } of told.events) log.push({ position, at: timeOf({ position, body: event }, log.at(-1)), event });
    more = Boolean(told.next);
  }
}
