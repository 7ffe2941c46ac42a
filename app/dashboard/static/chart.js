// Curves as SVG: axes with round numbers, a value under the pointer for each series, breaks where a value is not finite.
import { h, s, short } from "./dom.js";

const LEFT = 54, RIGHT = 14, TOP = 10, BOTTOM = 26, HEIGHT = 230;
export const COLOURS = 8;

/** Round numbers between two: steps of 1, 2 or 5 times a power of ten. */
export function ticks(low, high, wanted) {
  if (!(high > low)) return [low];
  const rough = (high - low) / wanted, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((size) => size >= rough);
  const found = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + step * 1e-9; n++) found.push(Number((n * step).toPrecision(12)));
  return found;
}

/** Powers of ten, with 2 and 5 between them where there are few. */
export function logTicks(low, high) {
  const found = [];
  const few = Math.log10(high / low) < 2;
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++)
    for (const n of few ? [1, 2, 5] : [1]) found.push(n * 10 ** power);
  const inside = found.filter((value) => value >= low * 0.999 && value <= high * 1.001);
  const every = Math.ceil(inside.length / 6);
  return inside.filter((_, index) => index % every === 0);
}

/** A path through the points; `pen` lifts at what has no place. */
export function path(points, x, y) {
  let drawn = "", down = false;
  for (const [px, py] of points) {
    const place = y(py);
    if (!Number.isFinite(place)) { down = false; continue; }
    drawn += `${down ? "L" : "M"}${x(px).toFixed(1)} ${place.toFixed(1)}`;
    if (!down) drawn += "l0 0"; // a single point is seen too
    down = true;
  }
  return drawn;
}

export class Chart {
  /** `set([{name, points: [[x, y], …]}], marks)` draws; marks are x places with a word, such as a resumption. */
  constructor(title, axis = "epoch") {
    this.title = title;
    this.axis = axis;
    this.series = [];
    this.marks = [];
    this.log = false;
    this.at = null;
    this.svg = s("svg", { class: "chart", height: HEIGHT, role: "img" });
    this.legend = h("div", { class: "legend" });
    this.toggle = h("button", { class: "quiet toggle", "aria-pressed": "false", onclick: () => this.setLog(!this.log) }, "log");
    this.element = h("section", { class: "panel" }, h("div", { class: "panel-head" }, h("h2", {}, title), this.toggle), this.svg, this.legend);
    new ResizeObserver(() => this.draw()).observe(this.element);
    this.svg.addEventListener("pointermove", (event) => this.point(event));
    this.svg.addEventListener("pointerdown", (event) => this.point(event));
    this.svg.addEventListener("pointerleave", () => { this.at = null; this.draw(); });
  }

  set(series, marks = []) {
    this.series = series;
    this.marks = marks;
    this.draw();
  }

  setLog(log) {
    this.log = log;
    this.toggle.setAttribute("aria-pressed", String(log));
    this.draw();
  }

  point(event) {
    const places = [...new Set(this.series.flatMap((one) => one.points.map(([x]) => x)))];
    const wanted = this.toX ? this.toX(event.clientX - this.svg.getBoundingClientRect().left) : 0;
    this.at = places.reduce((best, x) => (best === null || Math.abs(x - wanted) < Math.abs(best - wanted) ? x : best), null);
    this.draw();
  }

  range() {
    let [lowX, highX, lowY, highY] = [Infinity, -Infinity, Infinity, -Infinity];
    for (const { points } of this.series)
      for (const [x, y] of points) {
        [lowX, highX] = [Math.min(lowX, x), Math.max(highX, x)];
        if (!Number.isFinite(y) || (this.log && y <= 0)) continue;
        [lowY, highY] = [Math.min(lowY, y), Math.max(highY, y)];
      }
    if (!(highX > lowX)) [lowX, highX] = Number.isFinite(lowX) ? [lowX - 0.5, lowX + 0.5] : [0, 1];
    if (!Number.isFinite(lowY)) [lowY, highY] = this.log ? [0.1, 1] : [0, 1];
    if (lowY === highY) [lowY, highY] = lowY === 0 ? [-1, 1] : lowY > 0 ? [lowY / 2, highY * 2] : [lowY * 2, highY / 2];
    if (this.log) return [lowX, highX, lowY / 1.1, highY * 1.1];
    const room = (highY - lowY) * 0.06;
    return [lowX, highX, lowY >= 0 && lowY - room < 0 ? 0 : lowY - room, highY + room];
  }

  draw() {
    const width = this.element.clientWidth - 24;
    if (width < 80) return;
    const [lowX, highX, lowY, highY] = this.range();
    const inner = width - LEFT - RIGHT, tall = HEIGHT - TOP - BOTTOM;
    const x = (value) => LEFT + ((value - lowX) / (highX - lowX)) * inner;
    this.toX = (place) => lowX + ((place - LEFT) / inner) * (highX - lowX);
    const scaled = this.log ? Math.log : (value) => value;
    const y = (value) => TOP + (1 - (scaled(value) - scaled(lowY)) / (scaled(highY) - scaled(lowY))) * tall;
    const parts = [];
    for (const value of this.log ? logTicks(lowY, highY) : ticks(lowY, highY, 5))
      parts.push(
        s("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }),
        s("text", { class: "tick", x: LEFT - 8, y: y(value) + 4, "text-anchor": "end" }, short(value)),
      );
    for (const value of ticks(lowX, highX, width < 480 ? 4 : 8).filter((one) => this.axis !== "epoch" || Number.isInteger(one)))
      parts.push(s("text", { class: "tick", x: x(value), y: HEIGHT - 8, "text-anchor": "middle" }, short(value)));
    for (const [place, word] of this.marks)
      parts.push(s("line", { class: "mark", x1: x(place), x2: x(place), y1: TOP, y2: HEIGHT - BOTTOM }, s("title", {}, word)));
    this.series.forEach((one, index) => parts.push(s("path", { class: `curve c${index % COLOURS}`, d: path(one.points, x, y) })));
    if (this.at !== null) parts.push(s("line", { class: "cursor", x1: x(this.at), x2: x(this.at), y1: TOP, y2: HEIGHT - BOTTOM }));
    this.svg.setAttribute("width", width);
    this.svg.setAttribute("aria-label", `${this.title}: ${this.series.map((one) => one.name).join(", ")}`);
    this.svg.replaceChildren(...parts);
    this.drawLegend();
  }

  drawLegend() {
    const items = this.series.map((one, index) => {
      const found = this.at === null ? one.points.at(-1) : one.points.find(([x]) => x === this.at);
      return h("span", {}, h("i", { class: `swatch b${index % COLOURS}` }), one.name, " ", h("b", {}, found ? short(found[1]) : "–"));
    });
    const place = this.at === null ? null : h("span", { class: "muted" }, `${this.axis} ${short(this.at)}`);
    this.legend.replaceChildren(...[...items, place].filter(Boolean));
  }
}
