// A question to the customer as a form, made from its JSON schema.

import { h } from "../dom.js";
import { heading } from "../format.js";
import { factsList } from "./data-view.js";

const FEW = 8;
const TYPES = { date: "date", "date-time": "datetime-local", email: "email", uri: "url", time: "time" };

class TaskForm extends HTMLElement {
  /** The message whose question it is. */
  asks = "";

  /**
   * Show a question.
   * @param {{form: object, quote?: object}} told what a data part says: a JSON schema of an object, and facts
   * @param {string} message the message's id
   */
  show(told, message) {
    if (this.asks === message) return;
    this.asks = message;
    const { title, properties = {}, required = [] } = told.form;
    const fields = Object.entries(properties);
    const facts = Object.entries(told).filter(([, one]) => one && typeof one === "object" && !Array.isArray(one) && one !== told.form);
    const yesOrNo = fields.length === 1 && fields[0][1].type === "boolean";
    const form = h(
      "form",
      { "aria-label": title ?? "Question", onsubmit: (event) => this.#submit(event, properties) },
      facts.map(([, one]) => factsList(Object.entries(one).filter(([key, content]) => key !== "currency" && typeof content !== "object"), one.currency)),
      yesOrNo ? yesAndNo(fields[0]) : fields.map(([name, schema]) => field(name, schema, required.includes(name))),
      !yesOrNo && h("div.actions", {}, h("button.primary", { type: "submit" }, "Send")),
    );
    this.replaceChildren(form);
  }

  /** Take no answer while one is on its way. */
  set busy(busy) {
    for (const control of this.querySelectorAll("button, input, select, textarea")) control.disabled = busy;
  }

  #submit(event, properties) {
    event.preventDefault();
    const data = {};
    const words = [];
    const entered = new FormData(event.target, event.submitter);
    for (const [name, schema] of Object.entries(properties)) {
      // A box that isn't ticked says no.
      const text = entered.get(name) ?? (schema.type === "boolean" ? "false" : null);
      if (text === null || text === "") continue;
      data[name] = read(text, schema);
      words.push(inWords(text, schema));
    }
    this.dispatchEvent(new CustomEvent("answer", { bubbles: true, detail: { data, text: words.join(", ") } }));
  }
}

function read(text, schema) {
  if (schema.type === "boolean") return text === "true";
  if (schema.type === "integer" || schema.type === "number") return Number(text);
  if (schema.format === "date-time") return new Date(text).toISOString();
  return text;
}

function inWords(text, schema) {
  if (schema.type === "boolean") return text === "true" ? "Yes" : "No";
  return options(schema)?.find(([option]) => option === text)?.[1] ?? text;
}

/** The answers that there are: pairs of value and title; undefined if it is an answer of one's own. */
function options(schema) {
  if (schema.oneOf) return schema.oneOf.map((one) => [String(one.const), one.title ?? String(one.const)]);
  return schema.enum?.map((one) => [String(one), String(one)]);
}

function yesAndNo([name, schema]) {
  return h(
    "div.actions",
    { role: "group", "aria-label": schema.title ?? heading(name) },
    h("button.primary", { type: "submit", name, value: "true" }, "Yes, go ahead"),
    h("button", { type: "submit", name, value: "false" }, "No"),
  );
}

function field(name, schema, required) {
  const title = schema.title ?? heading(name);
  const choices = options(schema);
  if (choices && choices.length <= FEW) {
    return h(
      "fieldset",
      {},
      h("legend", {}, title),
      choices.map(([value, label]) => h("label.choice", {}, h("input", { type: "radio", name, value, required }), h("span", {}, label))),
    );
  }
  if (schema.type === "boolean") {
    return h("label.choice", {}, h("input", { type: "checkbox", name, value: "true" }), h("span", {}, title));
  }
  const control = choices
    ? h("select", { name, required }, h("option", { value: "" }, "Choose…"), choices.map(([value, label]) => h("option", { value }, label)))
    : h("input", { name, required, type: TYPES[schema.format] ?? (schema.type === "integer" || schema.type === "number" ? "number" : "text"),
        step: schema.type === "number" ? "any" : undefined, min: schema.minimum, max: schema.maximum,
        maxlength: schema.maxLength, pattern: schema.pattern, autocomplete: "off" });
  return h("label.field", {}, h("span", {}, title), control, schema.description && h("small", {}, schema.description));
}

customElements.define("task-form", TaskForm);
