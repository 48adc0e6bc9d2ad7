// Who the customer is, what they have, what they asked before, and what was understood.

import { arrange, h } from "/web/dom.js";
import { disclosure } from "/web/elements/data-view.js";
import { heading, money, value, when } from "/web/format.js";
import { personOf } from "./queue.js";

const shown = new WeakMap(); // place → {ticket, sections: title → {version, element}}

/**
 * Show what is known beside a ticket; what is as before stays as it is, open disclosures too.
 * @param {Element} place where
 * @param {object} ticket what `GET /handover/{ticket}` tells
 * @param {(task: string) => void} look shows an earlier task
 */
export function showRecord(place, ticket, look) {
  const { customer, earlier = [], intents = [], watchers, notes = [] } = ticket;
  const before = shown.get(place);
  const known = before?.ticket === ticket.ticket ? before.sections : new Map();
  const sections = new Map();
  const keep = (title, told, make) => {
    const version = JSON.stringify(told);
    const kept = known.get(title);
    sections.set(title, kept?.version === version ? kept : { version, element: make() });
  };
  if (customer) keep("Customer", facts(customer), () => person(customer));
  else keep("Customer", null, () => section("Customer", [h("p.soft", {}, "Nothing is known of this customer.")]));
  keep("Private notes", notes, () => section("Private notes", notes.length ? notes.map(noteCard) : [h("p.soft", {}, "None. Customers never see them.")]));
  if (intents.length) keep("Understood", intents, () => section("Understood", intents.flatMap((reading) => reading.intents).map(meter)));
  if (watchers) keep("Watching now", watchers, () => section("Watching now", [h("p", {}, watching(watchers))]));
  if (earlier.length) keep("Earlier requests", earlier, () => section("Earlier requests", earlier.map((task) => earlierRow(task, look))));
  for (const [key, rows] of belongings(customer ?? {})) keep(`record ${key}`, rows, () => owned(key, rows, customer.currency));
  shown.set(place, { ticket: ticket.ticket, sections });
  arrange(place, [...sections.values()].map((one) => one.element));
}

function section(title, children) {
  return h("section", {}, h("h2", {}, title), h("div.rows", {}, children));
}

function facts(customer) {
  return [["name", customer.name], ...Object.entries(customer).filter(([key, one]) => !["name", "id"].includes(key) && (typeof one !== "object" || one === null) && one !== "")];
}

function person(customer) {
  const [, ...told] = facts(customer);
  return h("section", { dataset: { customer: customer.name } }, h("h2", {}, "Customer"), h("b", {}, customer.name), h("dl.facts", {}, told.map(([key, one]) => h("div", {}, h("dt", {}, heading(key)), h("dd", {}, value(key, one, customer.currency))))));
}

function belongings(customer) {
  return Object.entries(customer).filter(([, one]) => Array.isArray(one) && one.length);
}

function owned(key, rows, currency) {
  const shown = rows.slice(0, 5).map((row) => belonging(row, currency));
  const more = rows.slice(5);
  return section(heading(key), [...shown, more.length > 0 && disclosure(`${more.length} more`, () => h("div.rows", {}, more.map((row) => belonging(row, currency))))]);
}

function belonging(row, currency) {
  const { booking, invoice, subscription, plan, title, ...rest } = row;
  const name = [booking ?? invoice ?? subscription, title ?? plan].filter(Boolean).join(" · ");
  const told = Object.entries(rest)
    .filter(([key, one]) => typeof one !== "object" && one !== null && one !== "" && !/^(id|kind|details|changeFeeCents|currency)$/.test(key))
    .map(([key, one]) => (/Cents$/.test(key) ? `${heading(key).toLowerCase()} ${money(one, row.currency ?? currency)}` : `${heading(key).toLowerCase()} ${value(key, one)}`));
  return h("div.row", {}, h("b", {}, name || heading(row.kind ?? "")), h("small", {}, told.join(", ")));
}

function noteCard(note) {
  return h("div.note-card", {}, h("div", {}, note.text), h("small", {}, `${personOf(note.who)}, ${when(note.writtenAt)}`));
}

function meter(intent) {
  const sure = Math.round(intent.confidence * 100);
  const route = intent.route ? ` → ${heading(intent.route)}` : "";
  const label = `${heading(intent.intent)}${route}`;
  return h("div.meter", {}, h("span", {}, label), h("span", {}, `${sure} %`), h("progress", { max: 100, value: sure, "aria-label": `${label}: ${sure} % sure` }));
}

function earlierRow(task, look) {
  return h("button.row", { type: "button", onclick: () => look(task.task) }, h("b", {}, task.text || "Request"), h("small", {}, `${task.state}, ${when(task.changed)}`));
}

function watching(watchers) {
  const number = watchers.reduce((sum, one) => sum + one.count, 0);
  const nodes = watchers.map((one) => `${one.count} at ${one.node}`).join(", ");
  return number === 0 ? "Nobody." : `${number === 1 ? "1 stream" : `${number} streams`}, yours among them: ${nodes}.`;
}
