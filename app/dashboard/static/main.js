// Where everything starts: the key, the caller, and which page the fragment names.
import { api, Problem } from "./api.js";
import { h } from "./dom.js";
import { showJob } from "./job.js";
import { showJobs } from "./jobs.js";
import { key, project, setKey, setProject, takeKey } from "./session.js";

const main = document.getElementById("main"), live = document.getElementById("live");
const leave = document.getElementById("leave"), projects = document.getElementById("project");
const WORDS = { live: "live", away: "reconnecting …" };
let page = new AbortController();

function showLive(state) {
  live.className = `live ${WORDS[state] ? `is-${state}` : ""}`;
  live.textContent = WORDS[state] ?? "";
}

function askForKey(why) {
  showLive("");
  projects.hidden = leave.hidden = true;
  const input = h("input", { type: "password", placeholder: "dsk_…", "aria-label": "API key", autocomplete: "off", required: true });
  const form = h("form", { class: "panel ask", onsubmit: (event) => { event.preventDefault(); setKey(input.value); open(); } },
    h("h1", {}, "Descent"), why ? h("p", { class: "problem", role: "alert" }, why) : null,
    h("p", {}, "Give an API key. It stays in this tab until you close it."), input, h("button", {}, "Open"),
    h("p", { class: "muted" }, "On the machine that runs the service, `descent up` prints a link that has it."));
  main.replaceChildren(form);
}

/** Who asks, and what the key may do; a token may only read its jobs, and is not told more. */
async function caller(signal) {
  try {
    const me = await api("/v1/me", { signal });
    projects.replaceChildren(...me.projects.map(({ id, name }) => h("option", { value: id }, name)));
    projects.value = project() ?? me.default_project ?? "";
    projects.hidden = me.projects.length < 2;
    return { mayWrite: me.scopes.includes("write"), jobsShown: true };
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 403) throw error;
    projects.hidden = true;
    return { mayWrite: false, jobsShown: false };
  }
}

async function open() {
  page.abort();
  page = new AbortController();
  const { signal } = page;
  takeKey();
  if (!key()) return askForKey();
  leave.hidden = false;
  try {
    const who = await caller(signal);
    const named = location.hash.match(/^#\/jobs\/([^/]+)$/);
    document.title = "Descent";
    if (named) await showJob(main, decodeURIComponent(named[1]), { signal, live: showLive, ...who });
    else if (who.jobsShown) await showJobs(main, { signal, live: showLive });
    else main.replaceChildren(h("p", { class: "note" }, "This link opens single jobs: it must name one."));
  } catch (error) {
    if (signal.aborted) return;
    if (error instanceof Problem && error.status === 401) {
      setKey(null);
      askForKey(error.message);
      return;
    }
    showLive("");
    const again = h("button", { onclick: open }, "Try again");
    main.replaceChildren(h("p", { class: "problem", role: "alert" }, error instanceof Problem ? error.message : "The service does not answer."), again, " ", h("a", { href: "#/" }, "All jobs"));
  }
}

projects.addEventListener("change", () => { setProject(projects.value); location.hash === "#/" ? open() : (location.hash = "#/"); });
leave.addEventListener("click", () => { setKey(null); history.replaceState(null, "", "/"); open(); });
window.addEventListener("hashchange", open);
open();
