// Places of the dashboard: each has an address of its own.

import { h } from "/web/dom.js";

/** The address of a place, by its filters. */
export function address(filters) {
  const query = new URLSearchParams(Object.entries(filters).filter(([, value]) => value));
  return query.size ? `/ops?${query}` : "/ops";
}

/** A link to a place; `ops.js` goes there without loading the page anew. */
export function link(text, filters) {
  return h("a", { href: address(filters) }, text);
}

/** A task's state, coloured. */
export function stateMark(state) {
  return h("span.state", { dataset: { state } }, state);
}
