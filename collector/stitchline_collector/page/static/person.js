// One person: the journey as lanes, the same events as a table, and the evidence that it is one person. Without one, people to choose from.
import { ask } from "./ask.js";
import { byId, make } from "./dom.js";
import { graph } from "./evidence.js";
import { laneOf, lanes } from "./lanes.js";
import { scrolling, table } from "./table.js";
import { count, many } from "./words.js";

const EVENTS = 500;
const SHOWN = 12;
// The shortest range with enough people is read: of ten million events over three months, a day takes 0.15 s and 30 days 1.6 s.
const RANGES = [[1, "day"], [7, "7 days"], [30, "30 days"]];
const people = days => `SELECT toString(person_id) AS id, uniqExactIf(device.id, device.id != '') AS devices, count() AS events,
    arraySort(groupUniqArrayIf(channel, channel != '')) AS channels, argMaxIf(stage, (occurred_at, seq, UUIDToNum(event_id)), stage != '') AS stage,
    formatDateTime(max(occurred_at), '%Y-%m-%d %H:%i') AS last_seen,
    arraySort(one -> (NOT startsWith(one, 'user:'), one), groupUniqArrayArray(20)(arrayMap((namespace, value) -> concat(namespace, ':', value),
        mapKeys(identifiers), mapValues(identifiers)))) AS known
  FROM person_events WHERE person_id != 0 AND occurred_at >= now() - INTERVAL ${days} DAY
  GROUP BY person_id ORDER BY devices DESC, events DESC LIMIT ${SHOWN}`;
let search = 0;

export function start() {
  byId("person-form").addEventListener("submit", event => {
    event.preventDefault();
    find(byId("namespace").value, byId("value").value);
  });
  byId("others").addEventListener("click", () => {
    byId("value").value = "";
    choose();
  });
}

// Whoever was found stays when the view is opened again.
export function open() {
  if (!search) choose();
}

// A link to whoever an identifier belongs to; the address stays free of identifiers, because it is kept in the browser's history.
export function link(namespace, value, words = `${namespace}:${value}`) {
  const found = make("a", { href: "#person", class: "who" }, words);
  found.addEventListener("click", () => find(namespace, value));
  return found;
}

async function show(content) {
  const ours = ++search;
  byId("found").setAttribute("aria-busy", "true");
  let shown;
  try {
    shown = await content();
  } catch (error) {
    shown = [make("p", {}, error.message)];
  }
  if (ours !== search) return;
  byId("found").replaceChildren(...shown);
  byId("person-said").textContent = shown[0].textContent;
  byId("found").removeAttribute("aria-busy");
}

const choose = () => show(async () => {
  byId("others").hidden = true;
  let answer, range;
  for (const [days, words] of RANGES) {
    range = words;
    answer = await (await ask("/v1/sql", { method: "POST", body: people(days) })).json();
    if (answer.data.length === SHOWN) break;
  }
  if (!answer.data.length) return [make("p", { class: "empty" }, `Nobody was seen in the last ${range}. Send an event, or find somebody by an identifier.`)];
  return [
    make("h3", {}, `On most devices in the last ${range}`),
    scrolling("People", table([
      ["person", row => link("person", row.id, row.known[0] ?? `person ${row.id.slice(-6)}`)],
      ["devices", row => count(row.devices)], ["channels", row => row.channels.join(", ")], ["stage", row => row.stage],
      ["events", row => count(row.events)], ["last seen, UTC", row => row.last_seen],
    ], answer.data)),
  ];
});

export function find(namespace, value) {
  byId("namespace").value = namespace;
  byId("value").value = value;
  return show(async () => {
    byId("others").hidden = false;
    const path = [namespace, value].map(encodeURIComponent).join("/");
    const { person, events } = await (await ask(`/v1/journey/${path}?events=${EVENTS}`)).json();
    const [derived, evidence] = await Promise.all([derivedStages(person, events), evidenceFor(path)]);
    for (const event of events) Object.assign(event, derived.get(event.event_id));
    return told(person, events, evidence);
  });
}

// What journey.toml makes of each event; what an SDK said of the stage goes before it.
async function derivedStages(person, events) {
  if (!events.length) return new Map();
  const given = new URLSearchParams({ person: person.person_id, since: events[0].occurred_at, format: "JSON" });
  try {
    const { data } = await (await ask(`/v1/queries/timeline?${given}`)).json();
    return new Map(data.map(row => [row.event_id, { derived: row.derived_stage, milestones: row.milestones }]));
  } catch {
    return new Map(); // the journey is worth showing without
  }
}

async function evidenceFor(path) {
  try {
    return graph(await (await ask(`/v1/identity/evidence/${path}`)).json(), byId("found").clientWidth);
  } catch (error) {
    return [make("h3", {}, "Evidence"), make("p", {}, error.message)];
  }
}

function told(person, events, evidence) {
  const known = person.identifiers.map(one => `${one.namespace}:${one.value}`).join("  ");
  const earlier = person.events - events.length;
  const picked = make("div", { class: "picked", role: "status" });
  const listed = () => ({ class: "scroll", tabindex: 0, role: "region", "aria-label": "Events as a table" });
  return [
    make("p", {}, `${known || "known by device only"}. Stage: ${person.stage || "none"}. `,
      `${many(person.events, "event", "events")} on ${many(person.devices.length, "device", "devices")}`,
      earlier > 0 ? `; the latest ${events.length} are shown.` : "."),
    ...(events.length ? lanes(events, byId("found").clientWidth, some => picked.replaceChildren(list(some))) : []),
    picked,
    ...evidence,
    make("h3", {}, "Events"),
    make("div", { ...listed(), id: "person-events" }, list(events)),
  ];
}

const list = events => table([
  ["UTC", event => event.occurred_at.slice(0, 19).replace("T", " ")], ["event", event => event.name || event.type],
  ["stage", event => event.stage || (event.derived ? `${event.derived} (derived)` : "")],
  ...(events.some(event => event.milestones?.length) ? [["milestones", event => (event.milestones ?? []).join(", ")]] : []),
  ["device and channel", laneOf], ["theirs by", event => (event.found_by === "identifier" ? event.decided_by : event.found_by)],
], events);
