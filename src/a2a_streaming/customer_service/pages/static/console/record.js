// Who the customer is, what they have, what they asked before, and what was understood.

import { arrange, h } from "/web/dom.js";
import { disclosure } from "/web/elements/data-view.js";
import { heading, money, value, when } from "/web/format.js";

/**
 * Show what is known beside a ticket.
 * @param {Element} place where
 * @param {object} ticket what `GET /handover/{ticket}` tells
 * @param {(task: string) => void} look shows an earlier task
 */
export function showRecord(place, ticket, look) {
  const { customer, earlier = [], intents = [], watchers, notes = [] } = ticket;
  arrange(place, [
    customer ? person(customer) : section("Customer", [h("p.soft", {}, "Nothing is known of this customer.")]),
    section("Private notes", notes.length ? notes.map(noteCard) : [h("p.soft", {}, "None. Customers never see them.")]),
    intents.length > 0 && section("Understood", intents.flatMap((reading) => reading.intents).map(meter)),
    watchers && section("Watching now", [h("p", {}, watching(watchers))]),
    earlier.length > 0 && section("Earlier requests", earlier.map((task) => earlierRow(task, look))),
    ...(customer ? belongings(customer) : []),
  ].filter(Boolean));
}

function section(title, children) {
  return h("section", {}, h("h2", {}, title), h("div.rows", {}, children));
}

function person(customer) {
  const facts = Object.entries(customer).filter(([key, one]) => !["name", "id"].includes(key) && (typeof one !== "object" || one === null) && one !== "");
  return h("section", { dataset: { customer: customer.name } }, h("h2", {}, "Customer"), h("b", {}, customer.name), h("dl.facts", {}, facts.map(([key, one]) => h("div", {}, h("dt", {}, heading(key)), h("dd", {}, value(key, one, customer.currency))))));
}

function belongings(customer) {
  return Object.entries(customer)
    .filter(([, one]) => Array.isArray(one) && one.length)
    .map(([key, rows]) => {
      const shown = rows.slice(0, 5).map((row) => belonging(row, customer.currency));
      const more = rows.slice(5);
      return section(heading(key), [...shown, more.length > 0 && disclosure(`${more.length} more`, () => h("div.rows", {}, more.map((row) => belonging(row, customer.currency))))]);
    });
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
  return h("div.note-card", {}, h("div", {}, note.text), h("small", {}, `${note.who}, ${when(note.writtenAt)}`));
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
