// What the collector counts, from its metrics: since it started, as Prometheus sees it.
import { ask } from "./ask.js";
import { byId, make } from "./dom.js";
import { time } from "./words.js";

const FACTS = [
  ["Received", "stitchline_events_received_total"],
  ["Accepted", "stitchline_events_accepted_total"],
  ["Rejected", "stitchline_events_rejected_total"],
  ["Spooled rows", "stitchline_rows_spooled"],
  ["Loaded rows", "stitchline_rows_loaded_total"],
  ["Load retries", "stitchline_load_retries_total"],
  ["Stitching behind (s)", "stitchline_stitch_lag_seconds"],
];

// Looks once; the page asks again.
export async function run(_signal, heard) {
  const text = await (await ask("/metrics")).text();
  const samples = [...text.matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm)].map(([, name, labels, value]) => ({ name, labels, value: Number(value) }));
  const ready = await (await ask("/health/ready")).json();
  const fresh = await freshness();
  heard();
  byId("facts").replaceChildren(
    fact("Loading", ready.loading),
    fact("Newest event arrived", fresh),
    ...FACTS.map(([title, name]) => {
      const sum = samples.filter(sample => sample.name === name).reduce((total, { value }) => total + value, 0);
      return fact(title, sum.toLocaleString("en", { maximumFractionDigits: 1 }));
    }));
  const rejected = samples.filter(sample => sample.name === "stitchline_events_rejected_total" && sample.value);
  byId("reasons").replaceChildren(...(rejected.length
    ? rejected.map(({ labels, value }) => make("li", {}, `${/reason="([^"]*)"/.exec(labels ?? "")?.[1] ?? "unknown"}: ${value}`))
    : [make("li", {}, "None since the start.")]));
}

// How old the newest event is that can be asked for; while ClickHouse is away the counts are worth all the more.
async function freshness() {
  try {
    const { events: [newest] } = await (await ask("/v1/tail?events=1")).json();
    return newest ? `${time(Math.max((Date.now() - Date.parse(newest.received_at)) / 1000, 0))} ago` : "over 1 h ago";
  } catch (error) {
    if (error.status === 401) throw error;
    return "unknown: ClickHouse does not answer";
  }
}

const fact = (title, value) => make("div", {}, make("dt", {}, title), make("dd", {}, value));
