// The console of the people who answer customers.

import { ask, CallError, session } from "/web/api.js";
import { announcer, h } from "/web/dom.js";
import "/web/elements/connection-badge.js";
import { signedIn } from "/web/elements/sign-in.js";
import { Stream } from "/web/stream.js";
import { provider } from "/web/tickets.js";
import { Desk } from "./desk.js";
import { askFor, field } from "./dialog.js";
import { ownerOf, personOf, Queue } from "./queue.js";

const $ = (id) => document.getElementById(id);

session.customer = ""; // whoever answers customers, is none
const who = await signedIn(document.querySelector("main"), ["agent", "operator"]);

const stream = new Stream(await session.identity(), provider(who));
stream.listen((state) => $("connection").show(state));

const name = $("name");
const NAME = who.authentication ? `a2a-name ${who.owner}` : "a2a-name"; // where it is kept
// The name customers read; who has a ticket is decided by who signed in, if people do.
name.value = localStorage.getItem(NAME) ?? who.name ?? "";
const called = () => name.value.trim() || who.name || "desk";
const me = () => (who.authentication ? who.owner : called());

/** Whether whoever works here has a name that customers can read; it is asked for once. */
async function named() {
  if (who.authentication || name.value.trim()) return true;
  const said = await askFor("What is your name?", [field("Your name, as customers read it", h("input", { name: "name", required: true, maxlength: 60, autocomplete: "nickname" }))], "Go on");
  if (!said?.name.trim()) return false;
  name.value = said.name.trim();
  name.dispatchEvent(new Event("change"));
  return true;
}

const announce = announcer($("announcements"));
const desk = new Desk($("desk"), $("record"), stream, {
  me,
  name: called,
  named,
  ownerOf: (person) => (who.authentication ? ownerOf(person) : person),
  changed: () => queue.again(),
  left: () => {
    history.replaceState(null, "", location.pathname + location.search);
    queue.again();
  },
  announce,
});
const queue = new Queue(document, {
  me,
  current: () => desk.ticket?.ticket,
  open: ({ ticket }) => {
    const hash = `#${encodeURIComponent(ticket)}`;
    if (location.hash === hash) open();
    else location.hash = hash;
  },
});

let known = null;
stream.followTopic("queue", (told) => {
  queue.show(told);
  const shown = desk.ticket && queue.tickets.get(desk.ticket.ticket);
  if (shown) desk.show(shown);
  else if (desk.ticket) missed(desk.ticket);
  else if (location.hash) open();
  const waiting = new Set((told.waiting ?? []).map((ticket) => ticket.ticket));
  const fresh = known && [...waiting].filter((ticket) => !known.has(ticket)).length;
  if (fresh) announce(fresh === 1 ? "A request has come in" : `${fresh} requests have come in`);
  known = waiting;
});

/** A ticket isn't in what the queue tells, which has an end: that alone doesn't say that it is closed. */
async function missed({ ticket, state }) {
  if (state === "closed") return;
  try {
    const told = await ask(`/handover/${encodeURIComponent(ticket)}`);
    if (desk.ticket?.ticket === ticket && !queue.tickets.has(ticket)) desk.show(told);
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    if (error.status === 404 && desk.ticket?.ticket === ticket) desk.show(undefined);
  }
}

async function open() {
  const { hash } = location;
  const wanted = personOf(hash.slice(1));
  if (!wanted || desk.ticket?.ticket === wanted) return;
  const ticket = queue.tickets.get(wanted);
  if (ticket) {
    desk.open(ticket);
    return;
  }
  // One that is closed, or not in the queue: it can be looked at all the same.
  try {
    const told = await ask(`/handover/${encodeURIComponent(wanted)}`);
    if (location.hash === hash && desk.ticket?.ticket !== wanted) desk.open(told);
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    announce(error.message);
  }
}

name.addEventListener("change", () => {
  localStorage.setItem(NAME, name.value.trim());
  queue.again();
  if (desk.ticket) desk.show(desk.ticket);
});
addEventListener("hashchange", open);
document.documentElement.dataset.ready = "true";
