// Elements and words. Text is always set as text: what stands in a job's name is never read as markup.

/** An element: `h("a", {class: "job", href, onclick}, child, "text", …)`; null children are left out. */
export function h(tag, given = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** The same in SVG. */
export function s(tag, given = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(given)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** A number that was sent as JSON can carry it: "NaN" and the infinities come as words. */
export const real = (value) => (value === null || value === undefined ? NaN : Number(value));

/** Four digits that matter, and the words of what is not finite. */
export function short(value) {
  if (value === null || value === undefined) return "–";
  const number = Number(value);
  if (Number.isNaN(number)) return "NaN";
  if (!Number.isFinite(number)) return number > 0 ? "∞" : "−∞";
  if (number === 0) return "0";
  const size = Math.abs(number);
  if (size < 1e-3 || size >= 1e6) return number.toExponential(2).replace(/\.?0+e/, "e").replace("e+", "e");
  return String(Number(number.toPrecision(4)));
}

export function ago(time) {
  if (!time) return "–";
  const seconds = Math.max(0, (Date.now() - new Date(time)) / 1000);
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return new Date(time).toLocaleDateString();
}

export function span(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}

export const moment = (time) => (time ? new Date(time).toLocaleString() : "–");

export function badge(job) {
  const waits = job.status === "queued" && job.waiting && job.waiting.reason !== "capacity";
  return h("span", { class: `badge ${job.status}${waits ? " waits" : ""}` }, job.status);
}

export function bar(job) {
  const percent = Math.round(100 * job.progress.fraction);
  const element = h("progress", { max: 100, value: percent, class: job.status, "aria-label": `${percent} %` });
  return element;
}
