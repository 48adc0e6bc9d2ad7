// JSON as people read it: rows as a table, an object as a list of its values, and the JSON itself on demand.

import { h } from "../dom.js";
import { heading, value } from "../format.js";

/**
 * Show a JSON value.
 * @param {any} data what to show
 * @param {{raw?: boolean}} options whether the JSON itself can be looked at, too
 */
export function dataView(data, { raw = true } = {}) {
  const view = h("div.data-view");
  if (data && typeof data === "object") view.append(...readable(data));
  else view.append(h("p", {}, String(data)));
  if (raw) view.append(disclosure("JSON", () => jsonView(data)));
  return view;
}

/** JSON, indented. */
export function jsonView(data) {
  return h("pre.json", { tabindex: "0" }, JSON.stringify(data, null, 2));
}

/** Something that is made and shown on demand. */
export function disclosure(title, make) {
  const details = h("details.disclosure", {}, h("summary", {}, title));
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) details.append(make());
  });
  return details;
}

function readable(data) {
  if (Array.isArray(data)) return rowsOf(data) ? [table(data)] : [h("p", {}, value("", data))];
  const shown = [];
  const facts = Object.entries(data).filter(([key, content]) => key !== "currency" && !isNested(content));
  if (facts.length) shown.push(factsList(facts, data.currency));
  const nested = Object.entries(data).filter(([, content]) => isNested(content));
  for (const [key, content] of nested) {
    // The only table needs no name beside the artifact's own.
    if (rowsOf(content)) shown.push(table(content, data.currency, nested.length > 1 ? heading(key) : undefined));
    else if (!Array.isArray(content)) {
      const inner = Object.entries(content).filter(([, one]) => !isNested(one));
      shown.push(h("h4", {}, heading(key)), factsList(inner, content.currency ?? data.currency));
    }
  }
  return shown;
}

/** A list of names and values. */
export function factsList(facts, currency) {
  return h("dl.facts", {}, facts.map(([key, content]) => h("div", {}, h("dt", {}, heading(key)), h("dd", {}, value(key, content, currency)))));
}

function isNested(content) {
  return typeof content === "object" && content !== null && !(Array.isArray(content) && content.every((one) => typeof one !== "object"));
}

function rowsOf(content) {
  return Array.isArray(content) && content.length > 0 && content.every((row) => row && typeof row === "object" && !Array.isArray(row));
}

function table(rows, currency, caption) {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((key) =>
    rows.some((row) => row[key] !== null && row[key] !== undefined && !isNested(row[key])),
  );
  const numeric = (key) => rows.every((row) => typeof row[key] === "number" || row[key] === null || row[key] === undefined);
  const cell = (tag, key, text, more = {}) => h(numeric(key) ? `${tag}.number` : tag, more, text);
  return h(
    "div.table-frame",
    { tabindex: "0", role: "group", "aria-label": caption ?? "Table" },
    h(
      "table",
      {},
      caption && h("caption", {}, caption),
      h("thead", {}, h("tr", {}, columns.map((key) => cell("th", key, heading(key), { scope: "col" })))),
      h("tbody", {}, rows.map((row) => h("tr", {}, columns.map((key) => cell("td", key, value(key, row[key], row.currency ?? currency)))))),
    ),
  );
}
