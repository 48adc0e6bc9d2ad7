// A ticket on the desk: the customer's task live, what can be done with it, and what is said.

import { ask, CallError, freshId, persist } from "/web/api.js";
import { atMost, h } from "/web/dom.js";
import { heading } from "/web/format.js";
import "/web/elements/task-story.js";
import { askFor, field } from "./dialog.js";
import { personOf, reasonChip, timer } from "./queue.js";
import { showRecord } from "./record.js";

const PAUSE = 2000; // ms between two looks at the record while the task moves
const LOOKS = 10_000; // who watches, and what colleagues note, comes by no stream

export class Desk {
  /** The ticket that is open; null if none is. */
  ticket = null;
  #unfollow = () => {};
  #agents = []; // to whom the ticket can be passed
  #drafts = new Map(); // ticket and kind → text
  #sending = new Set(); // those that are on their way
  #note = null; // the kind that was chosen: whether it is a note; null if nothing was
  #head = h("div.head");
  #told = ""; // what the head says
  #trouble = h("p.trouble", { role: "alert" }); // stays until the next deed
  #answer = h("form.answer");
  #box = null; // what is written in
  #looks = null;
  #reads = 0; // the latest is shown, whatever comes late

  /**
   * @param {Element} place where it is shown
   * @param {Element} record where the customer's record is shown
   * @param {import("/web/stream.js").Stream} stream the page's stream
   * @param {{me: () => string, name: () => string, named: () => Promise<boolean>, ownerOf: (name: string) => string,
   *   changed: () => void, left: () => void, announce: (text: string) => void}} page who works here: as tickets name them,
   *   as customers read them, whether they have a name, asked for if not; and told when a ticket is dropped
   */
  constructor(place, record, stream, page) {
    Object.assign(this, { place, record, stream, page });
    this.#nothing("Choose a request from the queue.");
  }

  /** Open a ticket. */
  async open(ticket) {
    this.close();
    this.ticket = ticket;
    this.#note = null;
    this.#trouble.textContent = "";
    const story = h("task-story", { readonly: true });
    const frame = h("div.story", { tabindex: "0", role: "region", "aria-label": "Conversation" }, story);
    this.place.replaceChildren(this.#head, frame, this.#answer);
    this.#looks = setInterval(() => document.hidden || this.#read(), LOOKS);
    this.story = story;
    let atEnd = true;
    frame.addEventListener("scroll", () => (atEnd = frame.scrollHeight - frame.scrollTop - frame.clientHeight < 60));
    story.addEventListener("told", () => {
      if (atEnd) frame.scrollTop = frame.scrollHeight;
    });
    const unfollow = this.stream.follow(ticket.task, (message) => {
      if (message.kind === "gone") return this.#drop("This task isn't there any more, or isn't yours to see.");
      story.take(message);
      return this.#look();
    });
    if (!this.ticket) return unfollow(); // it is known already that it is gone
    this.#unfollow = unfollow;
    this.show(ticket);
    this.record.replaceChildren(); // another customer's
    this.#read();
    this.page.changed();
    this.place.focus();
  }

  close() {
    this.#unfollow();
    this.#unfollow = () => {};
    clearInterval(this.#looks);
    this.ticket = null;
  }

  #drop(words) {
    this.close();
    this.#nothing(words);
    this.page.left();
  }

  /** The ticket as it is told now; undefined when it is closed. */
  show(ticket) {
    if (!this.ticket) return;
    const open = ticket?.state === "waiting" || ticket?.state === "claimed";
    this.ticket = open ? ticket : { ...this.ticket, ...ticket, state: "closed", claimedBy: null };
    this.#showHead();
    this.#showAnswer();
  }

  get #mine() {
    return this.ticket.state === "claimed" && this.ticket.claimedBy === this.page.me();
  }

  #showHead() {
    const { ticket } = this;
    const waiting = ticket.state === "waiting";
    const elsewhere = ticket.state === "claimed" && !this.#mine;
    const version = JSON.stringify([ticket.ticket, ticket.customer, ticket.reason, ticket.priority, ticket.state, ticket.claimedBy, ticket.claimedAt, ticket.waitingSince, ticket.due, this.#mine]);
    if (this.#told === version) return;
    this.#told = version;
    const focused = this.#head.contains(document.activeElement) ? document.activeElement.textContent : null;
    this.#head.replaceChildren(
      h("div.line", {}, h("h1", {}, ticket.customer || "A customer"), reasonChip(ticket), timer(ticket), h("small", {}, ticket.ticket),
        ticket.claimedBy && h("span.chip.human", {}, this.#mine ? "Yours" : personOf(ticket.claimedBy)), ticket.state === "closed" && h("span.chip.good", {}, "Closed")),
      h("div.line", { role: "group", "aria-label": "Actions" },
        waiting && this.#button("Claim", () => this.#do("claim"), "button.primary"),
        elsewhere && this.#button("Take over", () => this.#do("take")),
        (waiting || this.#mine || elsewhere) && this.#button("Assign…", () => this.#assign()),
        this.#mine && this.#button("Back to queue", () => this.#do("release")),
        this.#mine && this.#button("Re-route…", () => this.#reroute()),
        this.#mine && this.#button("Hand back to agent", () => this.#do("back")),
        this.#mine && this.#button("Resolve…", () => this.#resolve(), "button.primary"),
      ),
      this.#trouble,
    );
    if (focused === null) return;
    // Whoever has just pressed a button that is gone now is still at the ticket.
    const same = [...this.#head.querySelectorAll("button")].find((button) => button.textContent === focused);
    (same ?? this.place).focus({ preventScroll: true });
  }

  #showAnswer() {
    const mine = this.#mine;
    const { ticket, state } = this.ticket;
    const kind = state === "closed" ? "closed" : mine ? "mine" : "notes";
    if (this.#answer.dataset.ticket === ticket && this.#answer.dataset.kind === kind) return;
    Object.assign(this.#answer.dataset, { ticket, kind });
    const focused = this.#answer.contains(document.activeElement);
    this.#box = null;
    this.#answer.replaceChildren();
    if (kind === "closed") {
      if (focused) this.place.focus();
      return;
    }
    const text = h("textarea", { rows: 3, maxlength: 20_000, required: true, "aria-label": "What you say" });
    const tab = (name, note) => h("button", { type: "button", dataset: { note }, onclick: () => choose((this.#note = note)) }, name);
    const tabs = mine ? [tab("Reply", false), tab("Private note", true)] : [tab("Private note", true)];
    const send = h("button.primary", { type: "submit" });
    const choose = (note) => {
      this.#box = { ticket, note, text, send };
      send.disabled = this.#sending.has(draftOf(ticket, note));
      this.#answer.classList.toggle("note", note);
      tabs.forEach((one) => one.setAttribute("aria-pressed", String(one.dataset.note === String(note))));
      send.textContent = note ? "Add note" : "Send to customer";
      text.placeholder = note ? "For colleagues alone…" : "Answer the customer…";
      text.value = this.#drafts.get(draftOf(ticket, note)) ?? "";
    };
    text.addEventListener("input", () => this.#keepDraft());
    const replies = mine && this.#replies(text, () => choose((this.#note = false)));
    this.#answer.onsubmit = (event) => this.#say(event);
    this.#answer.replaceChildren(h("div.line", {}, h("div.tabs", { role: "group", "aria-label": "Kind" }, tabs), replies), text, h("div.line", {}, send, mine && h("small", {}, "Ctrl + Enter sends")));
    text.addEventListener("keydown", (event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && this.#answer.requestSubmit());
    // What was begun as a note stays one when the ticket becomes mine.
    const begun = this.#drafts.has(draftOf(ticket, true)) && !this.#drafts.has(draftOf(ticket, false));
    choose(!mine || (this.#note ?? begun));
    if (focused) text.focus({ preventScroll: true });
  }

  #keepDraft() {
    const { ticket, note, text } = this.#box;
    if (text.value) this.#drafts.set(draftOf(ticket, note), text.value);
    else this.#drafts.delete(draftOf(ticket, note));
  }

  /** The canned replies, with the customer's name and mine in them; read when they are first looked at. */
  #replies(text, reply) {
    const select = h("select", { "aria-label": "Canned replies" }, h("option", { value: "" }, "Canned reply…"));
    const { ticket } = this.ticket;
    const read = async () => {
      const { replies } = await ask(`/handover/replies?${new URLSearchParams({ ticket, name: this.page.name() })}`);
      select.append(...replies.map((reply) => h("option", { value: reply.text }, reply.title)));
    };
    select.addEventListener("change", () => {
      reply(); // none is a note
      if (select.value) text.value = text.value ? `${text.value}\n${select.value}` : select.value;
      select.value = "";
      this.#keepDraft();
      text.focus();
    });
    read().catch(() => {}); // they are a help, nothing more
    return select;
  }

  async #say(event) {
    event.preventDefault();
    const { ticket, note, text, send } = this.#box;
    const draft = draftOf(ticket, note);
    const words = text.value.trim();
    if (!words || this.#sending.has(draft)) return;
    this.#sending.add(draft);
    send.disabled = true;
    const done = await this.#do(note ? "note" : "reply", { text: words }, ticket).finally(() => this.#sending.delete(draft));
    // What was written on meanwhile is another one.
    const sent = done && this.#drafts.get(draft)?.trim() === words;
    if (sent) this.#drafts.delete(draft);
    if (this.#box?.ticket !== ticket || this.#box.note !== note) return;
    this.#box.send.disabled = false;
    if (sent) this.#box.text.value = "";
  }

  /**
   * Do something with a ticket, as often as it takes: it is known again by its key. Another one may be open when it
   * is done.
   */
  async #do(does, more = {}, id = this.ticket.ticket) {
    this.#trouble.textContent = "";
    if (!(await this.page.named())) return false;
    const key = freshId();
    const path = `/handover/${encodeURIComponent(id)}/${does}`;
    try {
      const told = await persist(() => ask(path, { body: { name: this.page.name(), ...more }, key }));
      if (this.ticket?.ticket === id) {
        if (told.ticket) this.show(told);
        this.#read();
      }
      this.page.changed();
      return true;
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      const words = this.ticket?.ticket === id ? error.message : `${id}: ${error.message}`;
      this.#trouble.textContent = words;
      this.page.announce(words);
      return false;
    }
  }

  #button(label, does, kind = "button") {
    return h(kind, { type: "button", onclick: does }, label);
  }

  async #assign() {
    const { ticket } = this.ticket;
    const said = await askFor("Assign to a colleague", [field("Name", h("input", { name: "to", required: true, maxlength: 60 }))], "Assign");
    if (said) await this.#do("assign", { to: this.page.ownerOf(said.to.trim()), toName: said.to.trim() }, ticket);
  }

  async #reroute() {
    const { ticket } = this.ticket;
    const choices = this.#agents.map(({ agent, about }) => h("option", { value: agent, title: about }, heading(agent)));
    const said = await askFor("Give it to another agent", [field("Agent", h("select", { name: "to", required: true }, choices))], "Re-route");
    if (said) await this.#do("reroute", said, ticket);
  }

  async #resolve() {
    const { ticket } = this.ticket;
    const said = await askFor("Resolve this request", [field("Last word to the customer (optional)", h("textarea", { name: "text", rows: 3 }))], "Resolve");
    if (said) await this.#do("resolve", said, ticket);
  }

  /** Ask for the record anew, but not with each event: each time is audited. */
  #look = atMost(PAUSE, () => this.#read());

  async #read() {
    const { ticket } = this;
    if (!ticket) return;
    const number = ++this.#reads;
    try {
      const told = await ask(`/handover/${encodeURIComponent(ticket.ticket)}`);
      if (number !== this.#reads || this.ticket?.ticket !== ticket.ticket) return;
      this.#agents = told.agents ?? [];
      showRecord(this.record, told, (task) => this.#earlier(task));
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
    }
  }

  /** An earlier request of the same customer, as it is now: it isn't handed over, so it isn't followed. */
  async #earlier(id) {
    const { ticket } = this.ticket;
    const story = h("task-story", { readonly: true });
    const trouble = h("p.trouble", { role: "alert" });
    const box = h("dialog.wide", { "aria-label": "Earlier request" }, h("form", { method: "dialog" }, story, trouble, h("div.actions", {}, h("button", {}, "Close"))));
    document.body.append(box);
    box.addEventListener("close", () => box.remove());
    box.showModal();
    try {
      const task = await ask(`/handover/${encodeURIComponent(ticket)}/earlier/${encodeURIComponent(id)}`);
      story.take({ kind: "reset", position: null, body: { reason: null, task } });
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      trouble.textContent = error.message;
    }
  }

  #nothing(words) {
    this.place.replaceChildren(h("div.empty", {}, h("p", {}, words)));
    this.record.replaceChildren();
  }
}

/** By what a draft is kept: what is said to a customer, and what colleagues alone read, are two. */
function draftOf(ticket, note) {
  return `${ticket} ${note ? "note" : "reply"}`;
}
