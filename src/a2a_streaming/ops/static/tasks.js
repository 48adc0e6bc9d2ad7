// A table of tasks, with filters that stand in the address, actions, and an export.

import { ask, CallError } from "/web/api.js";
import { arrange, h } from "/web/dom.js";
import { heading, lasting, when } from "/web/format.js";
import { address, link, stateMark } from "./links.js";
import { intervene } from "./actions.js";
import { patch } from "./patch.js";

const FILTERS = ["q", "state", "agent", "owner", "context", "silent"];
const STATES = ["submitted", "working", "input-required", "auth-required", "completed", "failed", "canceled", "rejected"];
const PAUSE = 2000;
const MOST_EXPORTED = 10_000;

export class TaskTable {
  element = h("div.table-part");
  #timer = null;
  #tasks = [];
  #next = null;
  #paged = false; // whether more than the first page is shown: it isn't loaded anew by itself
  #asks = 0;
  #rows = h("div.table-part");
  #trouble = h("p.trouble", { role: "alert" });
  #unread = false; // whether that is what it says: what an action was told stays until the next one

  /**
   * @param {URLSearchParams} query the filters
   * @param {{actions?: boolean, empty?: string}} options whether each row has actions
   */
  constructor(query, { actions = false, empty = "No task is like this." } = {}) {
    this.query = query;
    this.actions = actions;
    this.empty = empty;
    this.form = this.#filters();
    arrange(this.element, [this.#trouble, this.#rows]);
    this.#load();
  }

  close() {
    clearTimeout(this.#timer);
    this.closed = true;
  }

  /** Something has changed: look again, but not all the time. */
  soon() {
    if (this.#timer || this.#paged || this.closed || document.hidden) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      if (!this.#paged) this.#load();
    }, PAUSE);
  }

  #asked(more = {}) {
    const query = new URLSearchParams({ size: "50" });
    for (const [name, value] of this.query) if (FILTERS.includes(name) || name === "size") query.set(name, value);
    for (const [name, value] of Object.entries(more)) query.set(name, value);
    return `/ops/api/tasks?${query}`;
  }

  async #load(token) {
    const number = ++this.#asks; // an answer that comes after a later one's question is stale
    const paged = this.#paged;
    this.#paged ||= Boolean(token);
    try {
      const told = await ask(this.#asked(token ? { token } : {}));
      if (number !== this.#asks) return;
      this.#paged = Boolean(token);
      const shown = new Set(told.tasks.map((task) => task.id));
      this.#tasks = token ? [...this.#tasks.filter((task) => !shown.has(task.id)), ...told.tasks] : told.tasks;
      this.#next = told.next ?? null;
      if (this.#unread) this.#trouble.textContent = "";
      this.#unread = false;
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      if (number !== this.#asks) return;
      this.#paged = paged;
      this.#unread = true;
      this.#trouble.textContent = error.message;
    }
    this.#render();
  }

  #render() {
    const names = ["Task", "Agent", "State", "Request", "Changed", "Events", "Attempts", "Watchers", this.actions && "Silent for", this.actions && "Actions"].filter(Boolean);
    const numeric = new Set(["Events", "Attempts", "Watchers", "Silent for"]);
    const button = (name, does) => h("button", { type: "button", onclick: does }, name);
    patch(
      this.#rows,
      this.#tasks.length
        ? h("div.table-frame", { tabindex: "0", role: "group", "aria-label": "Tasks" },
            h("table", {}, h("thead", {}, h("tr", {}, names.map((name) => h(numeric.has(name) ? "th.number" : "th", { scope: "col" }, name)))), h("tbody", {}, this.#tasks.map((task) => this.#row(task)))))
        : h("p.empty", {}, this.empty),
      (this.#next || this.#paged) && h("div.actions", {}, this.#next && button("More", () => this.#load(this.#next)), this.#paged && button("Back to the latest", () => this.#load())),
    );
  }

  #row(task) {
    const act = (does) => h("button", { type: "button", onclick: () => this.#act(does, task.id) }, heading(does));
    return h(
      "tr",
      { dataset: { task: task.id } },
      h("td", {}, h("a.id", { href: address({ task: task.id }) }, task.id.slice(0, 12))),
      h("td", {}, link(heading(task.agent), { agent: task.agent })),
      h("td", {}, stateMark(task.state)),
      h("td.text", { title: task.text ?? "" }, task.text ?? ""),
      h("td", {}, when(new Date(task.changed).toISOString())),
      h("td.number", {}, String(task.events ?? "")),
      h("td.number", {}, String(task.attempts ?? "")),
      h("td.number", {}, String(task.watchers ?? "")),
      this.actions && h("td.number", {}, lasting(task.silentMs ?? 0)),
      this.actions && h("td", {}, h("div.actions", {}, act("retry"), act("escalate"), act("cancel"))),
    );
  }

  async #act(does, task) {
    this.#trouble.textContent = "";
    try {
      if (await intervene(does, task)) await this.#load();
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      this.#trouble.textContent = error.message;
    }
  }

  #filters() {
    const field = (title, control) => h("label.field", {}, h("span", {}, title), control);
    const input = (name) => h("input", { name, value: this.query.get(name) ?? "", autocomplete: "off" });
    const states = h("select", { name: "state" }, h("option", { value: "" }, "any"), STATES.map((state) => h("option", { value: state }, state)));
    states.value = this.query.get("state") ?? "";
    const search = field("Id or words", input("q"));
    search.classList.add("wide");
    const silent = h("label.choice", {}, h("input", { type: "checkbox", name: "silent", value: "true", checked: this.query.has("silent") }), h("span", {}, "silent"));
    const form = h("form.filters", { role: "search", "aria-label": "Filters" }, search, field("State", states), field("Agent", input("agent")), field("Owner", input("owner")), field("Context", input("context")), silent,
      h("button.primary", { type: "submit" }, "Filter"), h("button", { type: "button", onclick: () => this.#export() }, "Export"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
      history.replaceState(null, "", address(Object.fromEntries(this.query)));
      this.#load();
    });
    return form;
  }

  /** Every task that the filters let through, as CSV. */
  async #export() {
    const columns = ["id", "agent", "owner", "context", "state", "created", "changed", "events", "attempts", "watchers", "text"];
    const rows = [];
    let next = "";
    this.#trouble.textContent = "";
    try {
      while (next !== null && rows.length < MOST_EXPORTED) {
        const told = await ask(this.#asked(next ? { token: next, size: "200" } : { size: "200" }));
        rows.push(...told.tasks);
        next = told.next ?? null;
      }
    } catch (error) {
      this.#trouble.textContent = error.message;
      return;
    }
    // A cell that begins like a formula is told as text: a customer may have written it.
    const cell = (value) => `"${String(value ?? "").replace(/^([=+\-@\t\r\n])/, "'$1").replaceAll('"', '""')}"`;
    const timed = (name, value) => (/^(created|changed)$/.test(name) && value ? new Date(value).toISOString() : value);
    const text = [columns.join(","), ...rows.map((row) => columns.map((name) => cell(timed(name, row[name]))).join(","))].join("\r\n");
    save("tasks.csv", "text/csv", `\ufeff${text}`); // the mark by which spreadsheets know UTF-8
    if (next !== null) this.#trouble.textContent = `There are more: the file has the ${rows.length} that have changed last. Filter for fewer.`;
  }
}

/** Hand a file to whoever looks at the page. */
export function save(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
