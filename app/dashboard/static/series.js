// The curves of the jobs on the list: thinned histories from /v1/compare, continued by what the feed tells.
import { api } from "./api.js";
import { real } from "./dom.js";

export const KEYS = { train_loss: "train loss", validation_loss: "validation loss", "learning_rates.0": "learning rate" };
const POINTS = 150, AT_ONCE = 20;

export class Curves {
  constructor() {
    this.of = new Map(); // job id -> key -> epoch -> value
  }

  /** What is known of jobs that are new here. */
  async load(ids, signal) {
    const missing = ids.filter((id) => !this.of.has(id));
    for (let start = 0; start < missing.length; start += AT_ONCE) {
      const some = missing.slice(start, start + AT_ONCE);
      const query = { job_id: some, key: Object.keys(KEYS), max_points: POINTS };
      const found = await api("/v1/compare", { query, signal });
      for (const { job_id, key, x, y } of found.data) x.forEach((epoch, index) => this.put(job_id, key, epoch, y[index]));
    }
    for (const id of missing) this.job(id);
  }

  job(id) {
    if (!this.of.has(id)) this.of.set(id, Object.fromEntries(Object.keys(KEYS).map((key) => [key, new Map()])));
    return this.of.get(id);
  }

  put(id, key, epoch, value) {
    if (value !== null && value !== undefined) this.job(id)[key].set(epoch, real(value));
  }

  /** One row of the feed. */
  add(id, row) {
    if (!this.of.has(id)) return; // its history comes whole when the list shows it
    this.put(id, "train_loss", row.epoch, row.train_loss);
    this.put(id, "validation_loss", row.epoch, row.validation_loss);
    this.put(id, "learning_rates.0", row.epoch, row.learning_rates[0]);
    for (const values of Object.values(this.job(id))) if (values.size > 4 * POINTS) thin(values);
  }

  points(id, key) {
    const values = this.of.get(id)?.[key];
    return values ? [...values].sort((a, b) => a[0] - b[0]) : [];
  }
}

/** Every second one goes, the last one stays. */
function thin(values) {
  const epochs = [...values.keys()].sort((a, b) => a - b);
  epochs.forEach((epoch, index) => { if ((epochs.length - 1 - index) % 2) values.delete(epoch); });
}
