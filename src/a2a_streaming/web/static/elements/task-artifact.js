// An artifact, shown for what it is: text as it streams in, tables, files, JSON.

import { arrange, h } from "../dom.js";
import { heading } from "../format.js";
import { dataView } from "./data-view.js";

const IMAGES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);

class TaskArtifact extends HTMLElement {
  #title = h("h3");
  #text = h("div.text");
  #rest = h("div.parts");
  #shown = "";
  #others = [];

  connectedCallback() {
    if (this.firstChild) return;
    this.append(this.#title, this.#text, this.#rest);
  }

  /**
   * Show an artifact.
   * @param {object} artifact an A2A 1.0 Artifact
   * @param {boolean} complete whether nothing more comes
   */
  show(artifact, complete) {
    this.connectedCallback();
    const parts = artifact.parts ?? [];
    this.#title.textContent = artifact.description || heading(artifact.name ?? "Result");
    this.setAttribute("aria-busy", String(!complete));
    this.#showText(parts);
    const others = parts.filter((part) => part.text === undefined);
    if (others.length !== this.#others.length || others.some((part, place) => part !== this.#others[place])) {
      this.#others = others;
      arrange(this.#rest, others.map(partView));
    }
  }

  /** Text only grows while it streams, so that what stands there is added to. */
  #showText(parts) {
    const text = parts.map((part) => part.text ?? "").join("");
    const repeated = tellsTheSame(text, parts);
    this.#text.hidden = !text.trim() || repeated;
    if (text === this.#shown) return;
    if (text.startsWith(this.#shown)) this.#text.append(text.slice(this.#shown.length));
    else this.#text.textContent = text;
    this.#shown = text;
  }
}

/** Whether a text tells, line by line, what rows of data beside it tell better. */
function tellsTheSame(text, parts) {
  const rows = parts.flatMap((part) => (part.data && typeof part.data === "object" ? Object.values(part.data) : [])).filter(Array.isArray);
  const lines = text.split("\n").filter((line) => line.trim()).length;
  return rows.some((one) => one.length > 0 && one.length === lines);
}

/** A part that is no text. */
export function partView(part) {
  if (part.data !== undefined) return dataView(part.data);
  if (part.raw !== undefined) return fileView(part);
  if (part.url !== undefined) return linkView(part);
  return h("p", {}, "Something that this page can't show.");
}

function fileView(part) {
  const type = part.mediaType ?? "application/octet-stream";
  const bytes = Uint8Array.from(atob(part.raw.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
  const name = part.filename ?? "file";
  // What a browser would run isn't opened as what it says it is.
  const safe = type === "application/pdf" || IMAGES.has(type) ? type : "application/octet-stream";
  const url = URL.createObjectURL(new Blob([bytes], { type: safe }));
  const size = bytes.length < 10_240 ? `${(bytes.length / 1024).toFixed(1)} KB` : `${Math.round(bytes.length / 1024)} KB`;
  return h(
    "div.file",
    {},
    IMAGES.has(type) && h("img", { src: url, alt: name }),
    h("span.kind", { "aria-hidden": "true" }, type === "application/pdf" ? "PDF" : (name.split(".").at(-1) ?? "file").slice(0, 4).toUpperCase()),
    h("span.name", {}, name, h("small", {}, size)),
    safe !== "application/octet-stream" && h("a.button", { href: url, target: "_blank", rel: "noopener" }, "Open"),
    h("a.button", { href: url, download: name }, "Download"),
  );
}

function linkView(part) {
  const url = URL.canParse(part.url) ? new URL(part.url) : null;
  if (!url || !["https:", "http:"].includes(url.protocol)) return h("p", {}, part.url);
  return h("a", { href: url.href, target: "_blank", rel: "noopener noreferrer" }, part.filename ?? url.href);
}

customElements.define("task-artifact", TaskArtifact);
