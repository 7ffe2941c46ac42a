// Requests with the key, and streams that are made again when they break.
import { key, project } from "./session.js";

const SILENCE_MS = 45_000; // the service sends something every 15 s
const FIRST_PAUSE_MS = 500, LONGEST_PAUSE_MS = 10_000;

/** An error that the service explained. */
export class Problem extends Error {
  constructor(status, document) {
    super(document.detail || document.title || `The service answered ${status}.`);
    this.status = status;
  }
}

async function request(path, { method = "GET", query = {}, headers = {}, signal } = {}) {
  const address = new URL(path, location.origin);
  for (const [name, value] of Object.entries(query))
    for (const one of Array.isArray(value) ? value : [value])
      if (one !== undefined && one !== null && one !== "") address.searchParams.append(name, one);
  const own = { authorization: `Bearer ${key()}` };
  if (project()) own["descent-project"] = project();
  const reply = await fetch(address, { method, signal, headers: { ...own, ...headers }, cache: "no-store", credentials: "omit" });
  if (reply.ok) return reply;
  throw new Problem(reply.status, await reply.json().catch(() => ({})));
}

/** The JSON document. */
export async function api(path, options) {
  return (await request(path, options)).json();
}

/** Server-sent events, read with fetch because an EventSource cannot send the key in a header. */
async function* events(path, query, last, signal) {
  const headers = { accept: "text/event-stream", ...(last ? { "last-event-id": String(last) } : {}) };
  const reply = await request(path, { query, headers, signal });
  if (reply.status === 204) return;
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await inTime(reader.read());
      if (done) return;
      const frames = (rest + value).split("\n\n");
      rest = frames.pop();
      yield* frames.map(readFrame).filter((frame) => frame.data !== undefined);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function readFrame(text) {
  const fields = {};
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) fields[line.slice(0, colon)] = line.slice(colon + 1).trimStart();
  }
  return { id: fields.id, kind: fields.event, data: fields.data && JSON.parse(fields.data) };
}

async function inTime(promise) {
  let timer;
  const silence = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error("silence")), SILENCE_MS); });
  return Promise.race([promise, silence]).finally(() => clearTimeout(timer));
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Everything that a stream tells, from the id `last` on, until `over()` or the signal. A hidden tab lets its connection go:
 * a browser has six for all its tabs. `told(kind, data)` gets each event, `live(state)` hears how the connection is.
 */
export async function follow(path, { query, last, signal, told, live, over = () => false }) {
  let pause = FIRST_PAUSE_MS;
  while (!signal.aborted && !over()) {
    await untilVisible();
    const connection = new AbortController();
    const close = () => { if (signal.aborted || document.hidden) connection.abort(); };
    signal.addEventListener("abort", close);
    document.addEventListener("visibilitychange", close);
    try {
      live("live");
      for await (const event of events(path, query, last, connection.signal)) {
        last = event.id ?? last;
        pause = FIRST_PAUSE_MS;
        told(event.kind, event.data);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Problem && error.status < 500 && error.status !== 429) throw error;
      if (!document.hidden) live("away");
    } finally {
      connection.abort();
      signal.removeEventListener("abort", close);
      document.removeEventListener("visibilitychange", close);
    }
    if (over()) break;
    await sleep(pause);
    pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
  }
}

function untilVisible() {
  if (!document.hidden) return undefined;
  return new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
}
