// Lines over time, as SVG.

import { h, svg } from "/web/dom.js";

const WIDTH = 600;
const HEIGHT = 150;

/** A chart of a few series over the same times. */
export class Chart {
  #picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
  #legend = h("div.legend");
  element = h("div.chart", {}, this.#picture, this.#legend);

  /**
   * @param {string} title what it shows
   * @param {string[]} names the series' names
   * @param {(value: number) => string} tell a value in words
   */
  constructor(title, names, tell) {
    Object.assign(this, { title, names, tell });
  }

  /**
   * Draw it.
   * @param {number[][]} series each with a value for each time, null where there is none
   */
  draw(series) {
    const most = Math.max(1e-9, ...series.flat().filter((value) => value !== null));
    const lines = [0.25, 0.5, 0.75].map((part) => svg("line", { class: "grid", x1: 0, x2: WIDTH, y1: part * HEIGHT, y2: part * HEIGHT }));
    const paths = series.map((values, place) => svg("path", { class: `line series-${place}`, d: path(values, most) }));
    this.#picture.replaceChildren(...lines, ...paths);
    const now = series.map((values) => values.findLast((value) => value !== null));
    const words = this.names.map((name, place) => `${name} ${now[place] === undefined ? "–" : this.tell(now[place])}`);
    this.#picture.setAttribute("aria-label", `${this.title}: ${words.join(", ")}; at most ${this.tell(most)}`);
    this.#legend.replaceChildren(...words.map((word, place) => h("span", {}, h(`i.series-${place}`), word)), h("span", {}, `at most ${this.tell(most)}`));
  }
}

function path(values, most) {
  const last = Math.max(1, values.length - 1);
  let begun = false;
  return values
    .map((value, place) => {
      if (value === null) {
        begun = false;
        return "";
      }
      const step = `${begun ? "L" : "M"}${((place / last) * WIDTH).toFixed(1)} ${(HEIGHT - 4 - (value / most) * (HEIGHT - 10)).toFixed(1)}`;
      begun = true;
      return step;
    })
    .join("");
}
