// Questions to whoever works at the console.

import { h } from "/web/dom.js";

/** A control with its title. */
export function field(title, control) {
  return h("label.field", {}, h("span", {}, title), control);
}

/**
 * Ask something.
 * @param {string} title what it is about
 * @param {Node[]} fields what is to be filled in
 * @param {string} action what the button says that agrees
 * @returns {Promise<object | null>} what was filled in, by its name; null if they would rather not
 */
export function askFor(title, fields, action) {
  const form = h("form", { method: "dialog" }, h("h2", {}, title), fields,
    h("div.actions", {}, h("button.primary", { value: "yes" }, action), h("button", { value: "no", formnovalidate: true }, "Cancel")));
  const box = h("dialog", { "aria-label": title }, form);
  document.body.append(box);
  return new Promise((resolve) => {
    box.addEventListener("close", () => {
      resolve(box.returnValue === "yes" ? Object.fromEntries(new FormData(form)) : null);
      box.remove();
    });
    box.showModal();
  });
}
