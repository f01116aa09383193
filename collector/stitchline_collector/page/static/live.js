// Events as they arrive: the cursor of the last answer is sent back, as `stitchline tail` does.
import { ask } from "./ask.js";
import { byId, make } from "./dom.js";

const MOST_AT_ONCE = 500;
const SHOWN = 300;
const REMEMBERED = 20000; // ids: the collector may tell an event of the last seconds twice
const told = new Set();
let cursor = "";
let missed = 0;

const paused = () => byId("pause").getAttribute("aria-pressed") === "true";

export async function look() {
  if (paused()) return;
  const answer = await (await ask(`/v1/tail?events=${MOST_AT_ONCE}&cursor=${encodeURIComponent(cursor)}`)).json();
  if (paused()) return; // meanwhile: the next look brings them
  const fresh = answer.events.filter(event => !told.has(event.event_id));
  // An answer that is full of news may have left out some.
  if (cursor && fresh.length === MOST_AT_ONCE) missed += 1;
  cursor = answer.cursor;
  const list = byId("events");
  for (const event of fresh) {
    told.add(event.event_id);
    list.prepend(line(event));
  }
  for (const id of told) {
    if (told.size <= REMEMBERED) break;
    told.delete(id);
  }
  while (list.children.length > SHOWN) list.lastChild.remove();
  filter();
}

function line(event) {
  const known = Object.entries(event.identifiers).map(([namespace, value]) => `${namespace}:${value}`);
  return make("li", {},
    make("time", { datetime: event.received_at }, event.received_at.slice(11, 19)),
    make("span", { class: "name" }, event.name || event.type),
    make("span", {}, event.channel),
    make("span", { class: "stage" }, event.stage),
    make("span", { class: "dim" }, [event.device.type, ...known].join("  ")));
}

function filter() {
  const wanted = byId("filter").value.toLowerCase();
  let shown = 0;
  for (const item of byId("events").children) {
    item.hidden = !item.textContent.toLowerCase().includes(wanted);
    shown += !item.hidden;
  }
  const loss = missed ? ` More than ${MOST_AT_ONCE} arrived between two looks ${missed} times: the older ones are not here.` : "";
  const said = (shown ? `${shown} events, newest first, times in UTC.` : "Nothing yet.") + loss;
  if (byId("live-said").textContent !== said) byId("live-said").textContent = said;
}

export function start() {
  byId("filter").addEventListener("input", filter);
  byId("pause").addEventListener("click", () => {
    byId("pause").setAttribute("aria-pressed", String(!paused()));
  });
}
