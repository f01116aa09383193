// One person: lanes by device and channel over time, and the same events as a table for who cannot see the lanes.
import { ask } from "./ask.js";
import { byId, draw, make } from "./dom.js";

const LANE = 48;
const EDGE = 16;
const EVENTS = 500;

export function start() {
  byId("person-form").addEventListener("submit", event => {
    event.preventDefault();
    find(byId("namespace").value, byId("value").value);
  });
}

export async function find(namespace, value) {
  byId("namespace").value = namespace;
  byId("value").value = value;
  const place = byId("found");
  try {
    const path = [namespace, value].map(encodeURIComponent).join("/");
    const { person, events } = await (await ask(`/v1/journey/${path}?events=${EVENTS}`)).json();
    place.replaceChildren(...told(person, events, place.clientWidth));
  } catch (error) {
    place.replaceChildren(make("p", {}, error.message));
  }
}

function told(person, events, width) {
  const known = person.identifiers.map(one => `${one.namespace}:${one.value}`).join("  ");
  const earlier = person.events - events.length;
  return [
    make("p", {}, `${known || "known by device only"}. Stage: ${person.stage || "none"}. `,
      `${person.events} events on ${person.devices.length} devices`,
      earlier > 0 ? `; the latest ${events.length} are shown.` : "."),
    make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Journey as lanes" }, lanes(events, width)),
    make("h3", {}, "Events"),
    make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Events as a table" }, table(events)),
  ];
}

const laneOf = event => [event.device.type || "device", event.device.id.slice(-6), event.channel].filter(Boolean).join(" · ");

function lanes(events, width) {
  const names = [...new Set(events.map(laneOf))];
  const times = events.map(event => Date.parse(event.occurred_at));
  const [first, span] = [times[0], Math.max(times.at(-1) - times[0], 1)];
  const height = names.length * LANE + 30;
  const picture = draw("svg", {
    class: "drawn", viewBox: `0 0 ${width} ${height}`, width, height, role: "img",
    "aria-label": `${events.length} events in ${names.length} lanes; the table below tells each`,
  });
  names.forEach((name, n) => {
    const y = n * LANE + 34;
    picture.append(
      draw("line", { class: "lane", x1: EDGE, x2: width - EDGE, y1: y, y2: y }),
      draw("text", { x: EDGE, y: y - 14 }, name.length > 40 ? `${name.slice(0, 39)}…` : name));
  });
  const at = events.map((event, n) => [
    EDGE + 6 + (times[n] - first) / span * (width - 2 * EDGE - 12), names.indexOf(laneOf(event)) * LANE + 34]);
  at.slice(1).forEach(([x, y], n) => {
    const [x0, y0] = at[n];
    if (y !== y0) picture.append(draw("path", { class: "over", d: `M${x0} ${y0}L${x} ${y}` }));
  });
  events.forEach((event, n) => picture.append(
    draw("circle", { cx: at[n][0], cy: at[n][1], r: 6 }, draw("title", {}, `${event.occurred_at} ${event.name || event.type} ${event.stage}`))));
  const moment = text => `${text.slice(0, 10)} ${text.slice(11, 16)}`;
  if (events.length) picture.append(
    draw("text", { class: "dim", x: EDGE, y: height - 10 }, `${moment(events[0].occurred_at)} UTC`),
    draw("text", { class: "dim", x: width - EDGE, y: height - 10, "text-anchor": "end" }, moment(events.at(-1).occurred_at)));
  return picture;
}

function table(events) {
  const cells = event => [
    event.occurred_at.slice(0, 19).replace("T", " "), event.name || event.type, event.stage, laneOf(event),
    event.found_by === "identifier" ? event.decided_by : event.found_by];
  const heads = ["UTC", "event", "stage", "device and channel", "theirs by"];
  return make("table", {},
    make("thead", {}, make("tr", {}, ...heads.map(head => make("th", { scope: "col" }, head)))),
    make("tbody", {}, ...events.map(event => make("tr", {}, ...cells(event).map(cell => make("td", {}, cell))))));
}
