// A badge that says how the connection stands.

import { h } from "../dom.js";

const WORDS = {
  idle: ["Ready", "Nothing is going on that could change."],
  connecting: ["Connecting…", "Opening the stream."],
  live: ["Live", "What happens is shown as it happens."],
  waiting: ["Reconnecting…", "The connection broke. Nothing is lost: it goes on where it was."],
  offline: ["Offline", "There is no network. It goes on where it was as soon as there is."],
  "signed-out": ["Signed out", "Sign in again to go on."],
};

class ConnectionBadge extends HTMLElement {
  #text = h("span");

  connectedCallback() {
    this.setAttribute("role", "status");
    this.append(h("span.dot", { "aria-hidden": "true" }), this.#text);
    this.show({ name: "idle" });
  }

  /** Show a state of `Stream.listen`. */
  show(state) {
    const [word, meaning] = WORDS[state.name];
    this.dataset.state = state.name;
    this.title = meaning;
    if (this.#text.textContent !== word) this.#text.textContent = word;
  }
}

customElements.define("connection-badge", ConnectionBadge);
