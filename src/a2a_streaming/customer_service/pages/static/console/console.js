// The console of the people who answer customers.

import { ask, session } from "/web/api.js";
import { h } from "/web/dom.js";
import "/web/elements/connection-badge.js";
import { signedIn } from "/web/elements/sign-in.js";
import { Stream } from "/web/stream.js";
import { provider } from "/web/tickets.js";
import { Desk } from "./desk.js";
import { Queue } from "./queue.js";

const NAME = "a2a-name";
const $ = (id) => document.getElementById(id);

session.customer = ""; // whoever answers customers, is none
const who = await signedIn(document.querySelector("main"), ["agent", "operator"]);

const stream = new Stream(await session.identity(), provider(who));
stream.listen((state) => $("connection").show(state));

const name = $("name");
// The name customers read; who has a ticket is decided by who signed in, if people do.
name.value = localStorage.getItem(NAME) ?? who.name ?? "";
const me = () => (who.authentication ? who.name : name.value.trim() || "desk");

const desk = new Desk($("desk"), $("record"), stream, { me, changed: () => queue.again(), announce });
const queue = new Queue(document, {
  me,
  current: () => desk.ticket?.ticket,
  open: (ticket) => {
    location.hash = ticket.ticket;
  },
});

let known = null;
stream.followTopic("queue", (told) => {
  queue.show(told);
  const { tickets } = queue;
  if (desk.ticket) desk.show(tickets.get(desk.ticket.ticket));
  else if (location.hash) open();
  const waiting = new Set((told.waiting ?? []).map((ticket) => ticket.ticket));
  const fresh = known && [...waiting].filter((ticket) => !known.has(ticket)).length;
  if (fresh) announce(fresh === 1 ? "A request has come in" : `${fresh} requests have come in`);
  known = waiting;
});

function open() {
  const wanted = decodeURIComponent(location.hash.slice(1));
  if (!wanted || desk.ticket?.ticket === wanted) return;
  const ticket = queue.tickets.get(wanted);
  if (ticket) desk.open(ticket);
  // One that is closed, or not in the queue: it can be looked at all the same.
  else ask(`/handover/${encodeURIComponent(wanted)}`).then((told) => desk.open(told), (error) => announce(error.message));
}

function announce(words) {
  const line = h("p", {}, words);
  $("announcements").append(line);
  setTimeout(() => line.remove(), 10_000);
}

name.addEventListener("change", () => {
  localStorage.setItem(NAME, name.value.trim());
  queue.again();
  if (desk.ticket) desk.show(desk.ticket);
});
addEventListener("hashchange", open);
document.documentElement.dataset.ready = "true";
