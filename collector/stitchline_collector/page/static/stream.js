// Server-sent events by fetch: EventSource cannot send the key in a header.
import { ask } from "./ask.js";

const SILENCE_MS = 35_000; // the collector speaks at least every 10 s

// Yields the fields of each message, until the collector ends the stream. Ours have one line for each field.
export async function* messages(path, last, signal) {
  const ending = new AbortController();
  const end = () => ending.abort();
  signal.addEventListener("abort", end);
  let silence = setTimeout(end, SILENCE_MS);
  try {
    const answer = await ask(path, { signal: ending.signal, headers: last ? { "Last-Event-ID": last } : {} });
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      clearTimeout(silence);
      silence = setTimeout(end, SILENCE_MS);
      const parts = (rest + part.value).split("\n\n");
      rest = parts.pop();
      for (const message of parts) yield Object.fromEntries(message.split("\n").map(field));
    }
  } finally {
    clearTimeout(silence);
    signal.removeEventListener("abort", end);
    ending.abort();
  }
}

function field(line) {
  const colon = line.indexOf(": ");
  return colon < 0 ? [line, ""] : [line.slice(0, colon), line.slice(colon + 2)];
}
