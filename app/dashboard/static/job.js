// One job: where it is, its curves, what happened to it, and the buttons that move it.
import { api, follow, sleep } from "./api.js";
import { Chart } from "./chart.js";
import { badge, bar, h, moment, real, short, span } from "./dom.js";
import { attemptList, checkpointList, eventList, logPanel, specPanel } from "./parts.js";

const ENDED = ["succeeded", "failed", "cancelled"];
const MOVES = { pause: ["queued", "running"], resume: ["paused", "failed", "cancelled"], cancel: ["queued", "running", "pausing", "paused"] };
const SURE_MS = 4000, LOOK_AGAIN_MS = 10_000;

export async function showJob(main, id, { signal, live, mayWrite, jobsShown }) {
  const here = `/v1/jobs/${encodeURIComponent(id)}`;
  let job = await api(here, { signal });
  const epochs = new Map(), happened = new Map(), kept = new Map();
  const charts = { loss: new Chart("Loss"), rates: new Chart("Learning rate"), metrics: new Chart("Metrics"), gradient: new Chart("Gradient norm") };
  const head = h("div", { class: "head" }), note = h("div"), facts = h("dl", { class: "facts" });
  const events = h("ol", { class: "events" }), attempts = h("div"), checkpoints = h("div"), said = h("p", { class: "problem", role: "alert", hidden: true });
  main.replaceChildren(
    jobsShown ? h("a", { class: "back", href: "#/" }, "← Jobs") : "", head, said, note, facts,
    h("div", { class: "charts" }, Object.values(charts).map((one) => one.element)),
    h("div", { class: "charts" },
      h("section", { class: "panel" }, h("h2", {}, "Events"), events),
      h("section", { class: "panel" }, h("h2", {}, "Attempts"), attempts, h("h2", {}, "Checkpoints"), checkpoints)),
    logPanel(here), specPanel(job));

  function button(move) {
    let sure = move !== "cancel";
    const element = h("button", { class: move === "cancel" ? "danger" : "", "data-move": move, onclick: async () => {
      if (!sure) {
        sure = true;
        element.textContent = "Really cancel?";
        setTimeout(() => { sure = false; element.textContent = "cancel"; }, SURE_MS);
        return;
      }
      element.disabled = true;
      said.hidden = true;
      try {
        job = await api(`${here}/${move}`, { method: "POST", signal });
      } catch (error) {
        [said.textContent, said.hidden] = [error.message, false];
      }
      drawHead();
    } }, move);
    return element;
  }

  let buttonsOf = "";
  const title = h("div"), buttons = h("div", { class: "buttons" });
  head.append(title, buttons);

  function drawHead() {
    document.title = `${job.name || job.id} · Descent`;
    title.replaceChildren(h("h1", {}, job.name || job.id, " ", badge(job)), h("small", { class: "muted id" }, job.id));
    const moves = mayWrite ? Object.keys(MOVES).filter((move) => MOVES[move].includes(job.status)) : [];
    if (buttonsOf !== `${job.status} ${moves}` || buttons.querySelector(":disabled")) buttons.replaceChildren(...moves.map(button));
    buttonsOf = `${job.status} ${moves}`;
    const words = [];
    if (job.waiting) words.push(h("p", { class: "note" }, h("b", {}, `Waits: ${job.waiting.reason.replaceAll("_", " ")}. `), job.waiting.detail));
    if (job.error) words.push(h("p", { class: "problem" }, h("b", {}, `${job.error.code}: `), job.error.message));
    if (job.stopped) words.push(h("p", { class: "note" }, `Stopped by ${String(job.stopped.reason).replaceAll("_", " ")} in epoch ${job.stopped.epoch}.`));
    note.replaceChildren(...words);
    const { progress, best, test } = job;
    const rows = {
      Progress: [bar(job), ` ${progress.epoch} / ${progress.epochs} epochs${progress.eta_seconds ? `, ${span(progress.eta_seconds)} left` : ""}`],
      Now: job.activity ?? "–", Device: job.device ?? "–", Attempt: String(job.attempt), Seed: String(job.seed),
      Best: best ? `${best.monitor} ${short(best.value)} in epoch ${best.epoch}` : "–",
      Test: test ? `loss ${short(test.loss)}${Object.entries(test.metrics ?? {}).map(([name, value]) => `, ${name} ${short(value)}`).join("")}` : "–",
      Created: moment(job.created_at), Finished: moment(job.finished_at),
      Took: job.started_at && job.finished_at ? span((new Date(job.finished_at) - new Date(job.started_at)) / 1000) : "–",
    };
    facts.replaceChildren(...Object.entries(rows).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
  }

  function drawCurves() {
    const rows = [...epochs.values()].sort((a, b) => a.epoch - b.epoch);
    const line = (name, value) => ({ name, points: rows.map((row) => [row.epoch, real(value(row))]).filter(([, y], index) => value(rows[index]) !== null && value(rows[index]) !== undefined) });
    const marks = rows.filter((row, index) => index && row.attempt !== rows[index - 1].attempt).map((row) => [row.epoch - 0.5, `attempt ${row.attempt}`]);
    const names = [...new Set(rows.flatMap((row) => Object.keys(row.metrics)))].filter((name) => rows.some((row) => Number.isFinite(real(row.metrics[name]))));
    const groups = Math.max(1, ...rows.map((row) => row.learning_rates.length));
    const drawn = {
      loss: [line("train", (row) => row.train_loss), line("validation", (row) => row.validation_loss), line("averaged weights", (row) => row.ema_validation_loss)],
      rates: Array.from({ length: groups }, (_, index) => line(groups > 1 ? `group ${index}` : "rate", (row) => row.learning_rates[index])),
      metrics: names.map((name) => line(name.replaceAll("_", " "), (row) => row.metrics[name])),
      gradient: [line("norm", (row) => row.gradient_norm)],
    };
    for (const [name, chart] of Object.entries(charts)) {
      const some = drawn[name].filter((one) => one.points.length);
      chart.element.hidden = !some.length && name !== "loss";
      chart.set(some, marks);
    }
  }

  let waiting = 0;
  function redraw() {
    waiting ||= setTimeout(() => {
      waiting = 0;
      drawHead();
      drawCurves();
      events.replaceChildren(...eventList([...happened.values()]));
      checkpoints.replaceChildren(checkpointList([...kept.values()], job));
    }, 100);
  }

  async function loadAttempts() {
    const found = await api(`${here}/attempts`, { signal });
    attempts.replaceChildren(attemptList(found.data));
  }

  function told(kind, data) {
    if (kind === "epoch") epochs.set(data.epoch, data);
    if (kind === "event") happened.set(data.seq, data);
    if (kind === "checkpoint") kept.set(data.id, data);
    if (kind === "status") {
      if (data.attempt !== job.attempt || data.status !== job.status) loadAttempts().catch(() => {});
      job = { ...job, ...data };
    }
    redraw();
  }

  const [thinned, first] = await Promise.all([
    api(`${here}/epochs`, { query: { max_points: 1000 }, signal }),
    api(`${here}/events`, { query: { limit: 1000 }, signal }),
    loadAttempts(),
  ]);
  for (const row of thinned.data) epochs.set(row.epoch, row);
  for (const event of first.data) happened.set(event.seq, event);
  for (const one of (await api(`${here}/checkpoints`, { query: { limit: 50 }, signal })).data) kept.set(one.id, one);
  redraw();
  let last = Math.min(thinned.last_seq, first.last_seq); // a row told twice is one row
  for (;;) {
    await follow(`${here}/stream`, { query: { kind: ["epoch", "event", "checkpoint", "status"], after_seq: last }, signal, live, told, over: () => ENDED.includes(job.status) });
    last = Math.max(last, ...[...happened.keys()], ...[...epochs.values()].map((row) => row.seq));
    while (!signal.aborted && ENDED.includes(job.status)) {
      live("");
      await sleep(LOOK_AGAIN_MS); // only a resumption changes an ended job
      if (!document.hidden && !signal.aborted) told("status", await api(here, { signal }));
    }
    if (signal.aborted) return;
  }
}
