// Events as they arrive: a stream of server-sent events, which goes on after the id that was heard last.
import { byId, make } from "./dom.js";
import { link } from "./person.js";
import { messages } from "./stream.js";

const AT_FIRST = 200;
const SHOWN = 300;
const REMEMBERED = 20000; // ids: a stream that goes on tells the last seconds again
const told = new Set();
let last = "";
let missed = 0;
let connection = new AbortController();

const paused = () => byId("pause").getAttribute("aria-pressed") === "true";

// Until `signal`, a pause, or the collector ends it; `heard` is called when it speaks.
export async function run(signal, heard) {
  if (paused()) return;
  const ours = connection = new AbortController();
  const stop = () => ours.abort();
  signal.addEventListener("abort", stop);
  try {
    for await (const message of messages(`/v1/tail/stream?events=${AT_FIRST}`, last, ours.signal)) {
      heard();
      if (message.event === "missed") missed += 1;
      else if (message.data) tell(JSON.parse(message.data));
      last = message.id ?? last;
      filter();
    }
  } catch (error) {
    if (!ours.signal.aborted) throw error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

function tell(event) {
  if (told.has(event.event_id)) return;
  told.add(event.event_id);
  for (const id of told) {
    if (told.size <= REMEMBERED) break;
    told.delete(id);
  }
  const list = byId("events");
  list.prepend(line(event));
  while (list.children.length > SHOWN) list.lastChild.remove();
}

function line(event) {
  const who = { ...(event.device.id ? { device: event.device.id } : {}), ...event.identifiers };
  return make("li", {},
    make("time", { datetime: event.received_at }, event.received_at.slice(11, 19)),
    make("span", { class: "name" }, event.name || event.type),
    make("span", {}, event.channel),
    make("span", { class: "stage" }, event.stage),
    make("span", { class: "dim" }, event.device.type),
    ...Object.entries(who).map(([namespace, value]) => link(namespace, value)));
}

function filter() {
  const wanted = byId("filter").value.toLowerCase();
  let shown = 0;
  for (const item of byId("events").children) {
    item.hidden = !item.textContent.toLowerCase().includes(wanted);
    shown += !item.hidden;
  }
  const loss = missed ? ` More arrived at once than are told here, ${missed} times: the older ones are not here.` : "";
  const nothing = byId("events").children.length ? "Nothing that fits the filter." : "Nothing yet: events show up here a moment after they are sent.";
  const said = (shown ? `${shown} events, newest first, times in UTC.` : nothing) + loss;
  if (byId("live-said").textContent !== said) byId("live-said").textContent = said;
}

export function start() {
  byId("filter").addEventListener("input", filter);
  byId("pause").addEventListener("click", () => {
    byId("pause").setAttribute("aria-pressed", String(!paused()));
    connection.abort(); // what arrives meanwhile is told when it goes on
  });
}
