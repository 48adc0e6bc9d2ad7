// Showing anew what is told each second, without taking anything away from whoever reads it.

import { arrange } from "/web/dom.js";

/**
 * Make an element's content say what other nodes say. What says the same stays, and what changes keeps its place:
 * the focus, a selection and a click that has begun aren't lost. Rows are known again by `data-key`, `data-task` or
 * `data-node`, buttons by their words. What listens to events is what was there first.
 * @param {Element} element where
 * @param {...(Node | string | false | null | undefined)} wanted what is to stand there
 */
export function patch(element, ...wanted) {
  const focused = element.contains(document.activeElement) ? document.activeElement : null;
  const known = new Map([...element.children].map((child) => [keyOf(child), child]));
  const nodes = wanted.flat().filter((one) => one || one === "").map((one) => (one instanceof Node ? one : document.createTextNode(one)));
  arrange(element, nodes.map((node, place) => {
    const key = keyOf(node);
    const before = key ? known.get(key) : element.childNodes[place];
    if (!before || before === node || before.nodeName !== node.nodeName || keyOf(before) !== key) return node;
    if (node instanceof Text) {
      if (before.data !== node.data) before.data = node.data;
      return before;
    }
    dress(before, node);
    patch(before, ...node.childNodes);
    return before;
  }));
  if (focused && focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
}

function dress(element, wanted) {
  for (const { name, value } of [...wanted.attributes]) {
    if (element.getAttribute(name) === value) continue;
    // As an attribute the pages' policy would refuse it.
    if (name === "style") element.style.cssText = value;
    else element.setAttribute(name, value);
  }
  for (const { name } of [...element.attributes]) if (!wanted.hasAttribute(name)) element.removeAttribute(name);
}

function keyOf(node) {
  if (!(node instanceof Element)) return undefined;
  if (node.nodeName === "BUTTON") return `button ${node.textContent}`;
  const { key, task, node: process } = node.dataset;
  return key ?? task ?? process;
}
