// The queue: what waits, what is mine, what colleagues have; with how long, and until when.

import { arrange, h } from "/web/dom.js";
import { heading, lasting } from "/web/format.js";

const SOON = 120_000;

export class Queue {
  #tickets = new Map(); // id → {version, element}
  #told = { waiting: [], mine: [], others: [] };

  /**
   * @param {Document} page where it is shown
   * @param {{me: () => string, open: (ticket: object) => void, current: () => string | undefined}} desk who looks at it
   */
  constructor(page, desk) {
    this.page = page;
    this.desk = desk;
    this.find = page.getElementById("find");
    this.find.addEventListener("input", () => this.#render());
    setInterval(() => this.#tick(), 1000);
  }

  /** Every ticket that is open, by its id. */
  get tickets() {
    return new Map([...this.#told.waiting, ...this.#told.mine, ...this.#told.others].map((one) => [one.ticket, one]));
  }

  /** Show the queue as it is now. */
  show(told) {
    const claimed = [...(told.mine ?? []), ...(told.others ?? [])];
    const mine = (ticket) => ticket.claimedBy === this.desk.me();
    this.#told = { waiting: told.waiting ?? [], mine: claimed.filter(mine), others: claimed.filter((one) => !mine(one)) };
    this.#render();
  }

  /** Show it anew: another name, another ticket. */
  again() {
    this.show(this.#told);
  }

  #render() {
    const wanted = this.find.value.trim().toLowerCase();
    const seen = new Set();
    for (const [list, tickets] of Object.entries(this.#told)) {
      const shown = tickets.filter((one) => !wanted || [one.customer, one.summary, one.reason, one.ticket].join(" ").toLowerCase().includes(wanted));
      arrange(this.page.getElementById(list), shown.map((ticket) => seen.add(ticket.ticket) && this.#entry(ticket)));
      this.page.getElementById(`${list}-count`).textContent = tickets.length || "";
    }
    for (const id of this.#tickets.keys()) if (!seen.has(id)) this.#tickets.delete(id);
    this.page.title = this.#told.waiting.length ? `(${this.#told.waiting.length}) Console` : "Console";
    this.#tick();
  }

  #entry(ticket) {
    const current = this.desk.current() === ticket.ticket;
    const version = JSON.stringify([ticket.state, ticket.claimedBy, ticket.due, ticket.summary, current]);
    const known = this.#tickets.get(ticket.ticket);
    if (known?.version === version) return known.element;
    const element = h(
      "li",
      {},
      h(
        "button.ticket",
        { type: "button", dataset: { ticket: ticket.ticket }, "aria-current": current ? "true" : undefined, onclick: () => this.desk.open(this.tickets.get(ticket.ticket) ?? ticket) },
        h("span.top", {}, h("b", {}, ticket.customer || "A customer"), timer(ticket)),
        h("span.summary", {}, ticket.summary || heading(ticket.reason)),
        h("span.line", {}, reasonChip(ticket), ticket.claimedBy && ticket.claimedBy !== this.desk.me() && h("small", {}, ` ${personOf(ticket.claimedBy)}`)),
      ),
    );
    this.#tickets.set(ticket.ticket, { version, element });
    return element;
  }

  #tick() {
    for (const timer of this.page.querySelectorAll(".timer")) tell(timer);
  }
}

/** How tickets name somebody who signs in: as the platform stores owners (`caller.owner_of`). */
export function ownerOf(person) {
  return encodeURI(person).replaceAll("%7C", "|").replace(/[?&#]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** Who has a ticket, in words: those who sign in are named as in an address. */
export function personOf(owner) {
  try {
    return decodeURIComponent(owner);
  } catch {
    return owner; // where nobody signs in, it is whatever they call themselves
  }
}

/** Why a person is needed, and how urgently. */
export function reasonChip(ticket) {
  const urgent = ticket.priority === "high" || ticket.priority === "urgent";
  return h(urgent ? "span.chip.bad" : "span.chip", {}, heading(ticket.reason));
}

/** How long a ticket has waited, and how long it still may. */
export function timer(ticket) {
  const { waitingSince, due, claimedAt } = ticket;
  const element = h("span.timer", { dataset: { since: waitingSince ?? "", until: due ?? "", stopped: claimedAt ?? "" } });
  tell(element);
  return element;
}

function tell(element) {
  const { since, until, stopped } = element.dataset;
  const now = stopped ? Date.parse(stopped) : Date.now();
  const waited = seconds(now - Date.parse(since));
  const left = until ? Date.parse(until) - now : Infinity;
  const due = left < 0 ? "late" : left < SOON ? "soon" : "later";
  const words = left === Infinity || stopped ? waited : left < 0 ? `${waited} · late` : `${waited} · ${seconds(left)} left`;
  if (element.textContent !== words) element.textContent = words;
  element.dataset.due = stopped ? "done" : due;
  element.title = "Waiting time, and what is left of the time in which somebody should answer";
}

function seconds(ms) {
  return ms < 1000 ? "0 s" : lasting(ms).replace(/\.\d/, "");
}
