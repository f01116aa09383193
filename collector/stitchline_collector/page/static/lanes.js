// A journey as a picture: a lane for each device and channel, the stages above, hand-overs between. Long pauses are drawn shorter, so that
// what happened close together can be told apart; what still is too close is one mark with a number.
import { draw, make } from "./dom.js";
import { scrolling } from "./table.js";
import { many } from "./words.js";

const TOP = 44;
const LANE = 48;
const EDGE = 16;
const STEP = 28; // pixels between two marks, at least
const MARKS = 150;
const HOUR_MS = 3_600_000;
const TONES = 6;

// Of a long id the end: ids of one kind often begin alike.
const nameOf = id => (id.length > 14 ? `…${id.slice(-8)}` : id);

export const laneOf = event => [event.device.type || "device", nameOf(event.device.id), event.channel].filter(Boolean).join(" · ");

// `pick` is told the events of a mark that was chosen.
export function lanes(events, wide, pick) {
  const names = [...new Set(events.map(laneOf))];
  const marks = place(marksOf(events), wide);
  const spans = stagesOf(marks);
  const width = Math.max(wide, marks.at(-1).x + EDGE + 14, (spans.at(-1)?.x ?? 0) + room(spans.at(-1)?.stage) + EDGE);
  const height = TOP + names.length * LANE + 30;
  const picture = draw("svg", {
    class: "drawn", viewBox: `0 0 ${width} ${height}`, width, height, role: "group",
    "aria-label": `${many(events.length, "event", "events")} in ${many(names.length, "lane", "lanes")}; the table below tells each`,
  });
  const y = lane => TOP + names.indexOf(lane) * LANE + 30;
  spans.forEach((span, n) => picture.append(band(span, (spans[n + 1]?.x ?? width - EDGE) - span.x, tone(spans, span))));
  for (const name of names) picture.append(draw("line", { class: "lane", x1: EDGE, x2: width - EDGE, y1: y(name), y2: y(name) }));
  marks.slice(1).forEach((mark, n) => {
    const before = marks[n];
    if (mark.lane !== before.lane) picture.append(draw("path", { class: "over", d: `M${before.x} ${y(before.lane)}L${mark.x} ${y(mark.lane)}` }));
  });
  days(marks).forEach(({ x, day }) => picture.append(draw("text", { class: "dim", x, y: height - 10 }, day)));
  const dots = marks.map(mark => dot(mark, y(mark.lane), () => pick(mark.events)));
  picture.append(...dots);
  byArrows(dots);
  const labels = names.map(name => {
    const label = make("span", {}, name);
    label.style.top = `${y(name) - 33}px`;
    return label;
  });
  const derived = spans.some(span => span.derived) ? " Stages in an outline are derived from journey.toml." : "";
  return [
    make("p", { class: "dim" }, `Choose a mark to see its events. Dashed lines are hand-overs; long pauses are drawn shorter.${derived}`),
    scrolling("Journey as lanes", make("div", { class: "lane-names", "aria-hidden": "true" }, ...labels), picture),
  ];
}

// What follows within a pause on one lane and in one stage is one mark; the pause grows until there are few enough.
function marksOf(events) {
  for (let pause = HOUR_MS / 60; ; pause *= 4) {
    const marks = [];
    let stage = "";
    for (const event of events) {
      const own = event.stage || event.derived || "";
      const begins = own !== "" && own !== stage;
      const last = marks.at(-1);
      const at = Date.parse(event.occurred_at);
      if (last && last.lane === laneOf(event) && !begins && at - last.end <= pause) {
        last.events.push(event);
        last.end = at;
      } else {
        marks.push({ lane: laneOf(event), events: [event], at, end: at, begins: begins ? { stage: own, derived: !event.stage } : null });
      }
      stage = own || stage;
    }
    if (marks.length <= MARKS || pause > 1e12) return marks;
  }
}

const room = stage => (stage ? stage.length * 7 + 14 : 0);

function place(marks, wide) {
  let x = EDGE + 12;
  let free = 0;
  let stage = "";
  marks.forEach((mark, n) => {
    if (n) x += STEP + Math.min(6 * Math.log2(1 + (mark.at - marks[n - 1].end) / HOUR_MS), 60);
    if (mark.begins) {
      x = Math.max(x, free + (stage ? room(stage) : 0));
      stage = mark.begins.stage;
      free = x - 10;
    }
    mark.x = x;
  });
  const stretch = Math.max(1, (wide - 2 * EDGE - 24 - room(stage)) / Math.max(x - EDGE - 12, 1));
  for (const mark of marks) mark.x = EDGE + 12 + (mark.x - EDGE - 12) * (marks.length > 1 ? stretch : 1);
  return marks;
}

const stagesOf = marks => marks.filter(mark => mark.begins).map(mark => ({ ...mark.begins, x: mark.x - 10 }));
const tone = (spans, { stage }) => [...new Set(spans.map(span => span.stage))].indexOf(stage) % TONES;

function band({ stage, derived, x }, length, tone) {
  const words = `${stage}${derived ? ", derived" : ""}`;
  return draw("g", { class: `stage-band tone-${tone}${derived ? " derived" : ""}` },
    draw("title", {}, words),
    draw("rect", { x, y: 6, width: Math.max(length - 2, 2), height: 24, rx: 4 }),
    draw("text", { x: x + 7, y: 22 }, stage.length * 7 > length ? `${stage.slice(0, Math.max(Math.floor(length / 7) - 2, 1))}…` : stage));
}

function dot({ x, events, at, end, lane }, y, chosen) {
  const clock = ms => new Date(ms).toISOString().slice(0, 19).replace("T", " ");
  const names = [...new Set(events.map(event => event.name || event.type))];
  const words = `${clock(at)}${end > at ? ` to ${clock(end)}` : ""} UTC, ${lane}: ${events.length > 1 ? `${events.length} events, ` : ""}${names.slice(0, 5).join(", ")}`;
  const mark = draw("g", { class: "mark", role: "button", tabindex: -1, "aria-label": words },
    draw("title", {}, words),
    draw("circle", { cx: x, cy: y, r: events.length > 1 ? 12 : 7 }),
    ...(events.length > 1 ? [draw("text", { x, y: y + 4, "text-anchor": "middle" }, events.length > 99 ? "99+" : String(events.length))] : []));
  mark.addEventListener("click", chosen);
  mark.addEventListener("keydown", event => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    chosen();
  });
  return mark;
}

// One stop for the tab key; arrows go from mark to mark.
function byArrows(dots) {
  dots[0].setAttribute("tabindex", 0);
  dots.forEach((dot, n) => dot.addEventListener("keydown", event => {
    const next = dots[n + { ArrowRight: 1, ArrowLeft: -1 }[event.key]];
    if (!next) return;
    event.preventDefault();
    dot.setAttribute("tabindex", -1);
    next.setAttribute("tabindex", 0);
    next.focus();
  }));
}

// A day's name where it begins, and where there is room for it.
function days(marks) {
  const found = [];
  for (const { at, x } of marks) {
    const day = new Date(at).toISOString().slice(0, 10);
    if (day !== found.at(-1)?.day && x - (found.at(-1)?.x ?? -100) > 80) found.push({ x: x - 8, day });
  }
  return found;
}
