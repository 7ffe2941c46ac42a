// The key and the project of this tab. The key lives in session storage, never in an address, a cookie or a log.

const KEY = "descent.key", PROJECT = "descent.project";

/** Take the key out of `/#key=…&job=…`, so that neither the address bar nor the history keeps it. */
export function takeKey() {
  const given = new URLSearchParams(location.hash.slice(1));
  if (!given.has("key")) return;
  const job = given.get("job");
  history.replaceState(null, "", job ? `/#/jobs/${encodeURIComponent(job)}` : "/");
  setKey(given.get("key"));
}

export const key = () => sessionStorage.getItem(KEY);
export const project = () => sessionStorage.getItem(PROJECT);

export function setKey(text) {
  sessionStorage.removeItem(PROJECT);
  if (text) sessionStorage.setItem(KEY, text.trim());
  else sessionStorage.removeItem(KEY);
}

export function setProject(id) {
  sessionStorage.setItem(PROJECT, id);
}
