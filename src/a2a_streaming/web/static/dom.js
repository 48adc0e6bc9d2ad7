// Elements out of JavaScript: text is text, whoever wrote it, and never HTML.

/**
 * Make an element.
 * @param {string} name its tag, with classes: `button.primary`
 * @param {object} properties attributes; `onclick` and its like are listeners, `dataset` an object
 * @param {...(Node | string | null | undefined | false)} children what stands in it
 */
export function h(name, properties = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(properties)) set(element, key, value);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

function set(element, key, value) {
  if (value === undefined || value === null || value === false) return;
  if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
  else if (key === "dataset") Object.assign(element.dataset, value);
  else if (key === "value" || key === "checked" || key === "hidden") element[key] = value;
  else element.setAttribute(key, value === true ? "" : value);
}

/**
 * Put children into an element in the place of those that it has; those that stay in their place aren't touched.
 * @param {Element} element where
 * @param {Node[]} children what is to stand there, in order
 */
export function arrange(element, children) {
  children.forEach((child, place) => {
    if (element.childNodes[place] !== child) element.insertBefore(child, element.childNodes[place] ?? null);
  });
  while (element.childNodes.length > children.length) element.lastChild.remove();
}

/** Return what tells screen readers news, in a place of the page that they listen to. */
export function announcer(place) {
  return (words) => {
    const line = h("p", {}, words);
    place.append(line);
    setTimeout(() => line.remove(), 10_000);
  };
}

const SVG = "http://www.w3.org/2000/svg";

/** Make an SVG element; arguments as for `h`. */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** Run something with the next frame that is painted, once, however often it is asked for until then. */
export function eachFrame(paint) {
  let due = false;
  return () => {
    if (due) return;
    due = true;
    const run = () => {
      due = false;
      paint();
    };
    // A page that isn't seen isn't painted: it keeps up all the same, at a lower pace.
    if (document.hidden) setTimeout(run, 200);
    else requestAnimationFrame(run);
  };
}

/** Run something now, but not more often than each so many milliseconds; what is asked for in between is run at their end. */
export function atMost(ms, run) {
  let timer = null;
  let last = -Infinity;
  const go = () => {
    timer = null;
    last = performance.now();
    run();
  };
  return () => {
    if (timer !== null) return;
    const wait = last + ms - performance.now();
    if (wait <= 0) go();
    else timer = setTimeout(go, wait);
  };
}
