// How it all stands: throughput, latency, tasks by state and agent, what is silent, queues and nodes.

import { ask, CallError } from "/web/api.js";
import { arrange, atMost, eachFrame, h } from "/web/dom.js";
import { count, heading, lasting } from "/web/format.js";
import { AlertPanel } from "./alerts.js";
import { Chart } from "./charts.js";
import { Latest } from "./latest.js";
import { link, stateMark } from "./links.js";
import { patch } from "./patch.js";
import { TaskTable } from "./tasks.js";

const STATES = ["submitted", "working", "input-required", "auth-required", "completed", "failed", "canceled", "rejected"];

const GAP = 15_000; // ms; it is told each 5 s at least
const AGAIN = 5000; // ms between two attempts to read the last ten minutes

export class Overview {
  #now = null;
  #series = null; // `{from, stepMs, events: [...], …}`: ten minutes in steps, the oldest first
  #tiles = h("dl.tiles");
  #rates = new Chart("Throughput", ["events/s", "deliveries/s"], count);
  #times = new Chart("Time to the first event", ["p95"], lasting);
  #matrix = h("div.table-frame", { tabindex: "0", role: "group", "aria-label": "Tasks by state and agent" });
  #queues = h("div");
  #nodes = h("div.table-frame", { tabindex: "0", role: "group", "aria-label": "Nodes" });
  #paint = eachFrame(() => this.#render());

  /**
   * @param {Element} place where it is shown
   * @param {import("/web/stream.js").Stream} stream the page's stream
   * @param {URLSearchParams} query the filters
   */
  constructor(place, stream, query) {
    this.latest = new Latest();
    this.tasks = new TaskTable(query);
    this.silent = new TaskTable(new URLSearchParams({ silent: "true", size: "20" }), { actions: true, empty: "No task has been silent for too long." });
    this.alerts = new AlertPanel();
    this.alerts.show();
    arrange(place, [
      h("h1.visually-hidden", {}, "Operations"),
      this.#tiles,
      panel("Latest tasks", this.latest.element),
      h("div.two", {}, panel("Throughput", this.#rates.element), panel("Time to the first event", this.#times.element)),
      h("div.two", {}, panel("Tasks by state and agent", this.#matrix), panel("Work queues", this.#queues)),
      panel("Alerts", this.alerts.element),
      panel("Silent for too long", this.silent.element),
      panel("Nodes", this.#nodes),
      panel("Tasks", this.tasks.form, this.tasks.element),
    ]);
    this.latest.soon();
    this.leave = stream.followTopic("operations", (told) => this.#take(told));
  }

  close() {
    this.leave();
    this.latest.close();
    this.tasks.close();
    this.silent.close();
  }

  /** Read the last ten minutes: at first, when that has failed, and when some of them were missed. */
  #begin = atMost(AGAIN, async () => {
    try {
      this.#series = (await ask("/ops/api/summary")).series;
      this.#paint();
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
    }
  });

  #take(told) {
    if (this.#now && told.at - this.#now.at > GAP) this.#series = null; // some of them were missed
    this.#now = told;
    if (this.#series) extend(this.#series, told);
    else this.#begin();
    this.latest.soon();
    this.tasks.soon();
    this.silent.soon();
    this.#paint();
  }

  #render() {
    const series = this.#series;
    if (series) {
      this.#rates.draw([series.events, series.deliveries]);
      this.#times.draw([series.firstEvent]);
    }
    if (!this.#now) return;
    const { alerts, rates, firstEvent, duration, nodes, silent, states } = this.#now;
    const sum = (key) => nodes.reduce((total, node) => total + (node[key] ?? 0), 0);
    const ms = (value) => (value === null || value === undefined ? "–" : lasting(value));
    patch(this.#tiles, [
      tile("Events", count(rates.events), "/s"),
      tile("Deliveries", count(rates.deliveries), "/s"),
      tile("New tasks", count(rates.tasks), "/s"),
      tile("First event, p50", ms(firstEvent?.p50)),
      tile("First event, p99", ms(firstEvent?.p99)),
      tile("Duration, p50", ms(duration?.p50)),
      tile("Duration, p95", ms(duration?.p95)),
      tile("Streams", count(sum("streams"))),
      tile("Runs", count(sum("runs"))),
      tile("Open tasks", count(STATES.slice(0, 4).reduce((total, state) => total + (states[state] ?? 0), 0))),
      tile("Silent", count(silent), "", silent > 0),
      tile("Alerts", count(alerts.open), "open", alerts.open > 0),
    ]);
    this.alerts.show(alerts);
    patch(this.#matrix, matrix(this.#now));
    patch(this.#queues, queues(this.#now.queues));
    patch(this.#nodes, nodeTable(nodes));
  }
}

/** Put what is told now behind the last ten minutes, whose beginning moves on. */
function extend(series, told) {
  const place = Math.floor((told.at - series.from) / series.stepMs);
  const now = { ...told.rates, firstEvent: told.firstEvent?.p95 ?? null, duration: told.duration?.p95 ?? null };
  for (const [name, values] of Object.entries(series)) {
    if (!Array.isArray(values)) continue;
    const kept = values.length;
    while (values.length < place) values.push(null);
    values[place] = now[name] ?? null;
    values.splice(0, values.length - kept);
  }
  series.from += Math.max(0, place + 1 - series.events.length) * series.stepMs;
}

function panel(title, ...content) {
  return h("section.panel", { "aria-label": title }, h("h2", {}, title), content);
}

function tile(title, value, unit = "", alarm = false) {
  return h(alarm ? "div.tile.alarm" : "div.tile", { dataset: { tile: title } }, h("dt", {}, title), h("dd", {}, value, unit && h("small", {}, ` ${unit}`)));
}

function matrix({ states, agents }) {
  const shown = STATES.filter((state) => states[state] || ["working", "input-required", "completed", "failed"].includes(state));
  const number = (value, filter) => h("td.number", { dataset: filter }, value ? link(count(value), filter) : "0");
  return h(
    "table",
    {},
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Agent"), shown.map((state) => h("th.number", { scope: "col" }, stateMark(state))))),
    h(
      "tbody",
      {},
      Object.entries(agents).map(([agent, counts]) => h("tr", {}, h("th", { scope: "row" }, link(heading(agent), { agent })), shown.map((state) => number(counts[state] ?? 0, { agent, state })))),
      h("tr", {}, h("th", { scope: "row" }, "All"), shown.map((state) => number(states[state] ?? 0, { state }))),
    ),
  );
}

function queues(told) {
  if (!told.length) return h("p.empty", {}, "No agent has a queue yet.");
  const row = (queue) => h("tr", {}, h("th", { scope: "row" }, heading(queue.agent)), h("td.number", {}, count(queue.waiting)), h("td.number", {}, count(queue.pending)), h("td.number", {}, queue.oldestMs ? lasting(queue.oldestMs) : "–"));
  return h("table", {}, h("thead", {}, h("tr", {}, ["Agent", "Waiting", "In work", "Oldest"].map((name, place) => h(place ? "th.number" : "th", { scope: "col" }, name)))), h("tbody", {}, told.map(row)));
}

function nodeTable(nodes) {
  const row = (node) =>
    h(
      "tr",
      { dataset: { node: node.name } },
      h("th", { scope: "row" }, h("span.id", {}, node.name)),
      h("td", {}, node.draining ? h("span.chip.warn", {}, "draining") : node.role),
      h("td", {}, (node.agents ?? []).join(", ")),
      h("td", {}, node.version),
      h("td.number", {}, node.load === undefined ? "–" : `${Math.round(node.load * 100)} %`),
      h("td.number", {}, count(node.streams ?? 0)),
      h("td.number", {}, count(node.runs ?? 0)),
      h("td.number", {}, lasting(Date.now() - node.started)),
    );
  const names = ["Node", "Role", "Agents", "Version", "Load", "Streams", "Runs", "Up for"];
  return h("table", {}, h("thead", {}, h("tr", {}, names.map((name, place) => h(place > 3 ? "th.number" : "th", { scope: "col" }, name)))), h("tbody", {}, nodes.map(row)));
}
