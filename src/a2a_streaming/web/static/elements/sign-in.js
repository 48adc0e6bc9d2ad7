// Signing in with a key or a token, where the platform asks for one.

import { h } from "../dom.js";
import { persist, session, whoAmI } from "../api.js";

class SignIn extends HTMLElement {
  #trouble = h("p.trouble", { role: "alert" });

  connectedCallback() {
    const input = h("input", { type: "password", name: "credential", required: true, autocomplete: "off", "aria-describedby": "sign-in-help" });
    this.append(
      h(
        "form.card",
        { onsubmit: (event) => this.#submit(event, input) },
        h("h1", {}, this.getAttribute("heading") ?? "Sign in"),
        h("label.field", {}, h("span", {}, "Key or token"), input),
        h("p.help", { id: "sign-in-help" }, "An API key, made by “a2a-streaming keys create”, or a token of your company's sign-in. It is kept in this tab alone."),
        this.#trouble,
        h("div.actions", {}, h("button.primary", { type: "submit" }, "Sign in")),
      ),
    );
    input.focus();
  }

  async #submit(event, input) {
    event.preventDefault();
    session.credential = input.value.trim();
    try {
      const who = await whoAmI();
      if (!who.signedIn) throw new Error("This key isn't known, or has run out.");
      this.dispatchEvent(new CustomEvent("signed-in", { bubbles: true, detail: who }));
    } catch (error) {
      session.credential = "";
      this.#trouble.textContent = error.message;
    }
  }
}

customElements.define("sign-in", SignIn);

/** Say that the platform isn't there yet; it is asked again. */
function starting(place) {
  if (place.querySelector(":scope > .starting")) return;
  place.prepend(h("p.starting", { role: "status" }, "The service is starting, or can't be reached. This page tries again…"));
}

/** Sign out: what was kept in this tab is forgotten. */
export function signOut() {
  session.credential = "";
  sessionStorage.removeItem("a2a-sending");
  location.reload();
}

/**
 * Let whoever uses a page sign out, and in again when what they came by has ended.
 * @param {Element} place where the button goes
 * @param {import("../stream.js").Stream} stream the page's stream
 * @param {{authentication: boolean}} who what `whoAmI` has told
 */
export function signingOut(place, stream, who) {
  if (!who.authentication) return;
  place.before(h("button.quiet", { type: "button", onclick: signOut }, "Sign out"));
  // Asked for once more: a ticket may have been refused by chance.
  stream.listen((state) => state.name === "signed-out" && whoAmI().then((now) => now.signedIn || signOut(), () => {}));
}

/**
 * Wait until somebody is signed in, if the platform asks for it.
 * @param {Element} place where the form is shown
 * @param {string[]} roles who may use the page; empty for everybody
 * @returns {Promise<object>} who it is, as `whoAmI` tells it
 */
export async function signedIn(place, roles = []) {
  for (;;) {
    const who = await persist(whoAmI, { waiting: () => starting(place) }).catch((error) => {
      place.replaceChildren(h("p.starting", { role: "alert" }, error.message));
      throw error;
    });
    place.querySelector(":scope > .starting")?.remove();
    const allowed = !who.authentication || (who.signedIn && (!roles.length || roles.includes(who.role)));
    if (allowed) return who;
    const form = document.createElement("sign-in");
    form.setAttribute("heading", who.signedIn ? `Sign in as ${roles.join(" or ")}` : "Sign in");
    if (who.signedIn) session.credential = "";
    const before = [...place.children];
    place.replaceChildren(form);
    await new Promise((resolve) => form.addEventListener("signed-in", resolve, { once: true }));
    place.replaceChildren(...before);
  }
}
