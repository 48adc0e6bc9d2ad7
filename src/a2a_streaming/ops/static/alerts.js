// What was raised: which limit, of which task, what was done about it, and who sees to it.

import { ask, CallError, freshId } from "/web/api.js";
import { arrange, h } from "/web/dom.js";
import { heading, lasting, when } from "/web/format.js";
import { address } from "./links.js";

export class AlertPanel {
  element = h("div.table-part");
  #trouble = h("p.trouble", { role: "alert" });
  #told = { open: 0, latest: [] };
  #seen = ""; // what the topic said last: a table that stays the same isn't made anew under somebody's finger
  #older = []; // what was asked for beyond the latest
  #next = null; // where the page after those begins; null for the first, undefined for none

  /** @param {{open: number, latest: object[]}} told what the topic says */
  show(told) {
    const said = JSON.stringify(told ?? this.#told);
    if (said === this.#seen) return;
    this.#seen = said;
    this.#told = told ?? this.#told;
    this.#render();
  }

  async #more() {
    await this.#try(async () => {
      const token = this.#next ?? this.#told.latest.at(-1)?.id ?? "";
      const page = await ask(`/ops/api/alerts?size=50&token=${token}`);
      this.#older.push(...page.alerts);
      this.#next = page.next ?? undefined;
    });
  }

  async #acknowledge(alert) {
    await this.#try(async () => {
      const seen = await ask(`/ops/api/alerts/${encodeURIComponent(alert.id)}/acknowledge`, { body: {}, key: freshId() });
      Object.assign(alert, seen);
    });
  }

  async #try(act) {
    this.#trouble.textContent = "";
    try {
      await act();
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      this.#trouble.textContent = error.message;
    }
    this.#render();
  }

  #render() {
    const known = new Set(this.#told.latest.map((alert) => alert.id));
    const alerts = [...this.#told.latest, ...this.#older.filter((alert) => !known.has(alert.id))];
    const names = ["When", "What", "Task", "Done about it", "Seen"];
    const more = this.#next !== undefined && this.#told.latest.length >= 10;
    arrange(this.element, [
      this.#trouble,
      alerts.length
        ? h("div.table-frame", { tabindex: "0", role: "group", "aria-label": "Alerts" },
            h("table", {}, h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, alerts.map((alert) => this.#row(alert)))))
        : h("p.empty", {}, "Nothing is overdue."),
      ...(more ? [h("div.actions", {}, h("button", { type: "button", onclick: () => this.#more() }, "Older"))] : []),
    ]);
  }

  #row(alert) {
    const seen = alert.acknowledged;
    return h(
      "tr",
      { dataset: { alert: alert.id } },
      h("td", {}, when(new Date(alert.at).toISOString())),
      h("td", {}, alert.limit, h("small", {}, ` ${lasting(alert.seconds * 1000)}${alert.number ? `, repeated ${alert.number}×` : ""}`)),
      h("td", {}, h("a.id", { href: address({ task: alert.task }) }, alert.task.slice(0, 12)), h("small", {}, ` ${heading(alert.agent)}`)),
      h("td.text", {}, actions(alert.actions)),
      h("td", {}, seen ? `${seen.by || "somebody"}, ${when(new Date(seen.at).toISOString())}` : h("button", { type: "button", onclick: () => this.#acknowledge(alert) }, "Acknowledge")),
    );
  }
}

/** What was done: `Notify: delivered; Escalate: asked`. */
function actions(told) {
  const said = Object.entries(told).map(([name, did]) => `${heading(name)}: ${did ? did.outcome : "…"}`);
  return said.length ? said.join("; ") : "–";
}
