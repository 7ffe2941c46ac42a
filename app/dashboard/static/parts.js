// The lists and texts at the end of a job's page.
import { api } from "./api.js";
import { h, moment, short } from "./dom.js";

const NEWEST_EVENTS = 200;

export function eventList(events) {
  const newest = events.sort((a, b) => b.seq - a.seq).slice(0, NEWEST_EVENTS);
  return newest.map((event) =>
    h("li", { class: event.level }, h("time", { datetime: event.created_at, title: moment(event.created_at) }, new Date(event.created_at).toLocaleTimeString()), " ",
      h("b", {}, event.type.replaceAll("_", " ")), " ", event.message));
}

function table(names, rows) {
  if (!rows.length) return h("p", { class: "muted" }, "None yet.");
  return h("div", { class: "scroll" }, h("table", {},
    h("thead", {}, h("tr", {}, names.map((name) => h("th", {}, name)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell) => h("td", {}, cell)))))));
}

export function attemptList(attempts) {
  return table(["#", "on", "started", "ended", "resume"], attempts.map((one) => [
    String(one.attempt), `${one.host} · ${one.device}`, moment(one.started_at),
    one.ended_at ? String(one.cause ?? "").replaceAll("_", " ") : "runs", verdict(one)]));
}

function verdict({ resumed_from, steps_repeated, verdict: found }) {
  if (!resumed_from) return "–";
  if (!found || found.bit_exact === undefined || found.bit_exact === null) return "from a checkpoint";
  return `${found.bit_exact ? "equal to the bit" : "differs"}${steps_repeated ? `, ${steps_repeated} steps again` : ""}`;
}

export function checkpointList(checkpoints, job) {
  const best = job.best?.checkpoint;
  const rows = checkpoints.sort((a, b) => b.step - a.step).slice(0, 20);
  return table(["epoch", "step", "size", ""], rows.map((one) => [
    String(one.epoch), String(one.step), size(one.bytes),
    [one.id === job.latest_checkpoint && "latest", one.id === best && "best", one.pinned && "pinned"].filter(Boolean).join(", ")]));
}

const size = (bytes) => (bytes < 2 ** 20 ? `${short(bytes / 2 ** 10)} KiB` : `${short(bytes / 2 ** 20)} MiB`);

/** The trainer's last words, asked for when they are opened. */
export function logPanel(here) {
  const text = h("pre", {});
  const panel = h("details", { class: "panel", ontoggle: async () => {
    if (!panel.open) return;
    text.textContent = "…";
    try {
      const log = await api(`${here}/logs`, { query: { tail: 200 } });
      text.textContent = log.lines.join("\n") || "Nothing was written.";
    } catch (error) {
      text.textContent = error.message;
    }
  } }, h("summary", {}, "Trainer's log"), text);
  return panel;
}

export function specPanel(job) {
  return h("details", { class: "panel" }, h("summary", {}, "Spec"), h("pre", {}, JSON.stringify(job.spec, null, 2)));
}
