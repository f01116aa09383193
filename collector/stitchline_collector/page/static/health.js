// What the collector counts, from its metrics: since it started, as Prometheus sees it.
import { ask } from "./ask.js";
import { byId, make } from "./dom.js";

const FACTS = [
  ["Received", "stitchline_events_received_total"],
  ["Accepted", "stitchline_events_accepted_total"],
  ["Rejected", "stitchline_events_rejected_total"],
  ["Spooled rows", "stitchline_rows_spooled"],
  ["Loaded rows", "stitchline_rows_loaded_total"],
  ["Load retries", "stitchline_load_retries_total"],
  ["Stitching behind, s", "stitchline_stitch_lag_seconds"],
];

// Looks once; the page asks again.
export async function run(_signal, heard) {
  const text = await (await ask("/metrics")).text();
  const samples = [...text.matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm)].map(([, name, labels, value]) => ({ name, labels, value: Number(value) }));
  const ready = await (await ask("/health/ready")).json();
  heard();
  byId("facts").replaceChildren(
    fact("Loading", ready.loading),
    ...FACTS.map(([title, name]) => {
      const sum = samples.filter(sample => sample.name === name).reduce((total, { value }) => total + value, 0);
      return fact(title, sum.toLocaleString("en", { maximumFractionDigits: 1 }));
    }));
  const rejected = samples.filter(sample => sample.name === "stitchline_events_rejected_total" && sample.value);
  byId("reasons").replaceChildren(...(rejected.length
    ? rejected.map(({ labels, value }) => make("li", {}, `${/reason="([^"]*)"/.exec(labels ?? "")?.[1] ?? "unknown"}: ${value}`))
    : [make("li", {}, "None since the start.")]));
}

const fact = (title, value) => make("div", {}, make("dt", {}, title), make("dd", {}, value));
