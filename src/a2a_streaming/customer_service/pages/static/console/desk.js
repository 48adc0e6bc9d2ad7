// A ticket on the desk: the customer's task live, what can be done with it, and what is said.

import { ask, CallError, freshId, persist } from "/web/api.js";
import { h } from "/web/dom.js";
import { heading } from "/web/format.js";
import "/web/elements/task-story.js";
import { reasonChip, timer } from "./queue.js";
import { showRecord } from "./record.js";

export class Desk {
  /** The ticket that is open; null if none is. */
  ticket = null;
  #unfollow = () => {};
  #agents = []; // to whom the ticket can be passed
  #drafts = new Map(); // ticket → text
  #head = h("div.head");
  #answer = h("form.answer");
  #watch = null;

  /**
   * @param {Element} place where it is shown
   * @param {Element} record where the customer's record is shown
   * @param {import("/web/stream.js").Stream} stream the page's stream
   * @param {{me: () => string, changed: () => void, announce: (text: string) => void}} page who works here
   */
  constructor(place, record, stream, page) {
    Object.assign(this, { place, record, stream, page });
    this.#nothing("Choose a request from the queue.");
  }

  /** Open a ticket. */
  async open(ticket) {
    this.close();
    this.ticket = ticket;
    const story = h("task-story", { readonly: true });
    const frame = h("div.story", { tabindex: "0", role: "region", "aria-label": "Conversation" }, story);
    this.place.replaceChildren(this.#head, frame, this.#answer);
    this.story = story;
    let atEnd = true;
    frame.addEventListener("scroll", () => (atEnd = frame.scrollHeight - frame.scrollTop - frame.clientHeight < 60));
    story.addEventListener("told", () => {
      if (atEnd) frame.scrollTop = frame.scrollHeight;
    });
    this.#unfollow = this.stream.follow(ticket.task, (message) => {
      if (message.kind === "gone") return this.#nothing("This task isn't there any more, or isn't yours to see.");
      story.take(message);
      return this.#look();
    });
    this.show(ticket);
    this.#look();
    this.page.changed();
    this.place.focus();
  }

  close() {
    this.#unfollow();
    this.#unfollow = () => {};
    this.ticket = null;
  }

  /** The ticket as the queue tells it now; undefined when it is closed. */
  show(ticket) {
    if (!this.ticket) return;
    this.ticket = ticket ?? { ...this.ticket, state: "closed", claimedBy: null };
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
    this.#head.replaceChildren(
      h("div.line", {}, h("h1", {}, ticket.customer || "A customer"), reasonChip(ticket), timer(ticket), h("small", {}, ticket.ticket),
        ticket.claimedBy && h("span.chip.human", {}, this.#mine ? "Yours" : ticket.claimedBy), ticket.state === "closed" && h("span.chip.good", {}, "Closed")),
      h("div.line", { role: "group", "aria-label": "Actions" },
        waiting && this.#button("Claim", () => this.#do("claim"), "button.primary"),
        elsewhere && this.#button("Take over", () => this.#do("take")),
        (waiting || this.#mine || elsewhere) && this.#button("Assign…", () => this.#assign()),
        this.#mine && this.#button("Back to queue", () => this.#do("release")),
        this.#mine && this.#button("Re-route…", () => this.#reroute()),
        this.#mine && this.#button("Hand back to agent", () => this.#do("back")),
        this.#mine && this.#button("Resolve…", () => this.#resolve(), "button.primary"),
      ),
      h("p.trouble", { role: "alert" }),
    );
  }

  #showAnswer() {
    const mine = this.#mine;
    if (this.#answer.dataset.ticket === this.ticket.ticket && this.#answer.dataset.mine === String(mine)) return;
    Object.assign(this.#answer.dataset, { ticket: this.ticket.ticket, mine });
    if (this.ticket.state === "closed") return void this.#answer.replaceChildren();
    const text = h("textarea", { rows: 3, maxlength: 20_000, required: true, "aria-label": "What you say", value: this.#drafts.get(this.ticket.ticket) ?? "" });
    text.addEventListener("input", () => this.#drafts.set(this.ticket.ticket, text.value));
    const tab = (name, note) => h("button", { type: "button", "aria-pressed": String(note === !mine), onclick: () => choose(note) }, name);
    const tabs = mine ? [tab("Reply", false), tab("Private note", true)] : [tab("Private note", true)];
    const send = h("button.primary", { type: "submit" });
    const choose = (note) => {
      this.#answer.classList.toggle("note", note);
      tabs.forEach((one) => one.setAttribute("aria-pressed", String((one.textContent === "Private note") === note)));
      send.textContent = note ? "Add note" : "Send to customer";
      text.placeholder = note ? "For colleagues alone…" : "Answer the customer…";
    };
    const replies = mine && this.#replies(text);
    this.#answer.onsubmit = (event) => this.#say(event, text, send);
    this.#answer.replaceChildren(h("div.line", {}, h("div.tabs", { role: "group", "aria-label": "Kind" }, tabs), replies), text, h("div.line", {}, send, mine && h("small", {}, "Ctrl + Enter sends")));
    text.addEventListener("keydown", (event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && this.#answer.requestSubmit());
    choose(!mine);
  }

  /** The canned replies, with the customer's name and mine in them; read when they are first looked at. */
  #replies(text) {
    const select = h("select", { "aria-label": "Canned replies" }, h("option", { value: "" }, "Canned reply…"));
    const { ticket } = this.ticket;
    const read = async () => {
      const { replies } = await ask(`/handover/replies?${new URLSearchParams({ ticket, name: this.page.me() })}`);
      select.append(...replies.map((reply) => h("option", { value: reply.text }, reply.title)));
    };
    select.addEventListener("change", () => {
      if (select.value) text.value = text.value ? `${text.value}\n${select.value}` : select.value;
      select.value = "";
      this.#drafts.set(ticket, text.value);
      text.focus();
    });
    read().catch(() => {}); // they are a help, nothing more
    return select;
  }

  async #say(event, text, send) {
    event.preventDefault();
    const words = text.value.trim();
    if (!words) return;
    send.disabled = true;
    const done = await this.#do(this.#answer.classList.contains("note") ? "note" : "reply", { text: words });
    send.disabled = false;
    if (!done) return;
    text.value = "";
    this.#drafts.delete(this.ticket.ticket);
  }

  /** Do something with the ticket, as often as it takes: it is known again by its key. */
  async #do(does, more = {}) {
    const key = freshId();
    const path = `/handover/${encodeURIComponent(this.ticket.ticket)}/${does}`;
    const trouble = this.#head.querySelector(".trouble");
    trouble.textContent = "";
    try {
      const told = await persist(() => ask(path, { body: { name: this.page.me(), ...more }, key }));
      if (told.ticket) this.show(told.state === "waiting" || told.state === "claimed" ? told : undefined);
      this.#look();
      this.page.changed();
      return true;
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      this.#head.querySelector(".trouble").textContent = error.message;
      this.page.announce(error.message);
      return false;
    }
  }

  #button(label, does, kind = "button") {
    return h(kind, { type: "button", onclick: does }, label);
  }

  #assign() {
    dialog("Assign to a colleague", [field("Name", h("input", { name: "to", required: true, maxlength: 60 }))], "Assign", ({ to }) => this.#do("assign", { to, toName: to }));
  }

  #reroute() {
    const choices = this.#agents.map(({ agent, about }) => h("option", { value: agent, title: about }, heading(agent)));
    dialog("Give it to another agent", [field("Agent", h("select", { name: "to", required: true }, choices))], "Re-route", ({ to }) => this.#do("reroute", { to }));
  }

  #resolve() {
    dialog("Resolve this request", [field("Last word to the customer (optional)", h("textarea", { name: "text", rows: 3 }))], "Resolve", ({ text }) => this.#do("resolve", { text }));
  }

  /** Ask for the record anew, soon: once for all that happens now. */
  #look() {
    clearTimeout(this.#watch);
    this.#watch = setTimeout(async () => {
      const { ticket } = this;
      if (!ticket) return;
      try {
        const told = await ask(`/handover/${encodeURIComponent(ticket.ticket)}`);
        if (this.ticket?.ticket !== ticket.ticket) return;
        this.#agents = told.agents ?? [];
        showRecord(this.record, told, (task) => this.#earlier(task));
      } catch (error) {
        if (!(error instanceof CallError)) throw error;
      }
    }, 300);
  }

  #earlier(task) {
    const story = h("task-story", { readonly: true });
    const box = h("dialog.wide", { "aria-label": "Earlier request" }, h("form", { method: "dialog" }, story, h("div.actions", {}, h("button", {}, "Close"))));
    document.body.append(box);
    const unfollow = this.stream.follow(task, (message) => (message.kind === "gone" ? story.append("This request isn't there any more.") : story.take(message)));
    box.addEventListener("close", () => {
      unfollow();
      box.remove();
    });
    box.showModal();
  }

  #nothing(words) {
    this.place.replaceChildren(h("div.empty", {}, h("p", {}, words)));
    this.record.replaceChildren();
  }
}

function field(title, control) {
  return h("label.field", {}, h("span", {}, title), control);
}

function dialog(title, fields, action, does) {
  const form = h("form", { method: "dialog" }, h("h2", {}, title), fields,
    h("div.actions", {}, h("button.primary", { value: "yes" }, action), h("button", { value: "no", formnovalidate: true }, "Cancel")));
  const box = h("dialog", { "aria-label": title }, form);
  document.body.append(box);
  box.addEventListener("close", () => {
    if (box.returnValue === "yes") does(Object.fromEntries(new FormData(form)));
    box.remove();
  });
  box.showModal();
}
