// The list of jobs with their curves, kept up to date by the feed; ticked jobs are drawn together.
import { api, follow } from "./api.js";
import { Chart, COLOURS, path } from "./chart.js";
import { ago, badge, bar, h, s, short } from "./dom.js";
import { Curves, KEYS } from "./series.js";

const PAGE = 30;
const STATUSES = ["queued", "running", "paused", "succeeded", "failed", "cancelled"];
const chosen = new Set(); // survives a look at one job

export async function showJobs(main, { signal, live }) {
  const jobs = new Map(), rows = new Map(), curves = new Curves();
  let hasMore = false, filter = { status: "", q: "" }, measure = "train_loss", waiting = 0;

  const list = h("ul", { class: "jobs" });
  const more = h("button", { onclick: () => load([...jobs.keys()].at(-1)) }, "Show more");
  const search = h("input", { type: "search", placeholder: "Name or id", "aria-label": "Name or id", maxlength: 200, oninput: later(() => { filter.q = search.value; reload(); }) });
  const status = h("select", { "aria-label": "Status", onchange: () => { filter.status = status.value; reload(); } }, h("option", { value: "" }, "All"), STATUSES.map((one) => h("option", {}, one)));
  const picked = h("select", { "aria-label": "Curve", onchange: () => { measure = picked.value; drawChosen(); } }, Object.entries(KEYS).map(([value, name]) => h("option", { value }, name)));
  const chart = new Chart("Compared");
  chart.element.querySelector("h2").after(picked);
  chart.element.hidden = true;
  main.replaceChildren(h("div", { class: "tools" }, h("h1", {}, "Jobs"), search, status), chart.element, list, more);

  async function load(after) {
    const query = { limit: PAGE, after, q: filter.q, status: filter.status };
    const page = await api("/v1/jobs", { query, signal });
    for (const job of page.data) jobs.set(job.id, job);
    hasMore = page.has_more;
    await curves.load([...jobs.keys()], signal);
    draw();
  }

  async function reload() {
    jobs.clear();
    await load();
  }

  /** The element of a job, made once: what somebody is about to press stays where it is, its words change. */
  function row(id) {
    const tick = h("input", { type: "checkbox", "aria-label": "Compare", onchange: () => { tick.checked ? chosen.add(id) : chosen.delete(id); colour(); drawChosen(); } });
    tick.checked = chosen.has(id);
    const pick = h("label", { class: "pick" }, tick), go = h("a", { href: `#/jobs/${id}`, class: "go" });
    return { element: h("li", { class: "job", "data-id": id }, pick, go), pick, update: () => go.replaceChildren(...cells(jobs.get(id))) };
  }

  function cells(job) {
    const latest = job.latest;
    const why = job.error?.message || (job.waiting && job.waiting.reason !== "capacity" ? job.waiting.detail : "");
    return [
      h("span", { class: "name" }, job.name || job.id, h("small", { class: "muted" }, ` ${ago(job.created_at)}`)),
      h("span", { class: "state" }, badge(job), why ? h("small", { class: "why" }, why) : null),
      h("span", { class: "far" }, bar(job), h("small", { class: "muted" }, `${job.progress.epoch} / ${job.progress.epochs} epochs`)),
      spark(job.id),
      h("span", { class: "numbers" }, number("train", latest?.train_loss), number("validation", latest?.validation_loss), number("rate", latest?.learning_rates[0])),
    ];
  }

  const number = (name, value) => h("span", {}, h("small", { class: "muted" }, name), " ", h("b", {}, short(value)));

  function spark(id) {
    const lines = ["train_loss", "validation_loss"].map((key) => curves.points(id, key));
    const all = lines.flat().filter(([, y]) => Number.isFinite(y));
    const svg = s("svg", { class: "spark", viewBox: "0 0 120 34", preserveAspectRatio: "none", "aria-hidden": "true" });
    if (!all.length) return svg;
    const [xs, ys] = [all.map(([x]) => x), all.map(([, y]) => y)];
    const [lowX, highX, lowY, highY] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const x = (value) => 2 + ((value - lowX) / (highX - lowX || 1)) * 116;
    const y = (value) => 31 - ((value - lowY) / (highY - lowY || 1)) * 28;
    svg.append(...lines.map((points, index) => s("path", { class: `curve c${index}`, d: path(points, x, y) })));
    return svg;
  }

  function draw() {
    for (const id of rows.keys()) if (!jobs.has(id)) rows.delete(id);
    for (const id of jobs.keys()) {
      if (!rows.has(id)) rows.set(id, row(id));
      rows.get(id).update();
    }
    const empty = filter.q || filter.status ? "No job is like that." : "No jobs yet. Submit one: descent submit examples/digits-cnn-adam.json";
    const elements = [...jobs.keys()].map((id) => rows.get(id).element);
    list.replaceChildren(...(elements.length ? elements : [h("li", { class: "empty muted" }, empty)]));
    more.hidden = !hasMore;
    colour();
    drawChosen();
  }

  function colour() {
    const drawn = [...chosen].filter((id) => jobs.has(id));
    for (const [id, { pick }] of rows) pick.className = drawn.includes(id) ? `pick b${drawn.indexOf(id) % COLOURS}` : "pick";
  }

  function drawChosen() {
    const ids = [...chosen].filter((id) => jobs.has(id));
    chart.element.hidden = !ids.length;
    if (ids.length) chart.set(ids.map((id) => ({ name: jobs.get(id).name || id, points: curves.points(id, measure) })));
  }

  /** News come in handfuls: ten times a second is often enough to draw them. */
  const stale = new Set();
  function redraw(id) {
    stale.add(id);
    waiting ||= setTimeout(() => {
      waiting = 0;
      for (const one of stale) if (jobs.has(one)) rows.get(one)?.update();
      if ([...stale].some((one) => chosen.has(one))) drawChosen();
      stale.clear();
    }, 100);
  }

  async function told(kind, entry) {
    const id = entry.job_id;
    if (kind === "epoch") {
      curves.add(id, entry.epoch);
      const job = jobs.get(id);
      if (job && entry.epoch.seq >= (job.latest?.seq ?? 0)) jobs.set(id, { ...job, latest: entry.epoch, progress: { ...job.progress, epoch: Math.max(job.progress.epoch, entry.epoch.epoch) } });
    } else if (jobs.has(id)) {
      jobs.set(id, entry.job);
    } else if (entry.job.created_at >= newest() && !filter.q && !filter.status) {
      await curves.load([id], signal);
      const before = [...jobs];
      jobs.clear();
      for (const [known, job] of [[id, entry.job], ...before].sort((a, b) => (a[0] < b[0] ? 1 : -1))) jobs.set(known, job);
      draw();
    }
    if (jobs.has(id)) redraw(id);
  }

  const newest = () => [...jobs.values()][0]?.created_at ?? "";

  const { cursor } = await api("/v1/feed", { query: { after: "now" }, signal }); // before the list, so that nothing falls between
  await load();
  await follow("/v1/feed", { query: { kind: ["job", "epoch"] }, last: cursor, signal, live, told });
}

function later(action) {
  let timer;
  return () => { clearTimeout(timer); timer = setTimeout(action, 250); };
}
