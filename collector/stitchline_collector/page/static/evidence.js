// Why it is one person: identifiers and devices as nodes, what was seen together as lines between them, what was refused dashed.
import { draw, make } from "./dom.js";
import { link } from "./person.js";
import { scrolling, table } from "./table.js";
import { many, short } from "./words.js";

const ROW = 46;
const BOX = 30;
const HEAD = 30;
const BEND = 40; // how far a line between two of one column goes around
const DRAWN = 40; // nodes; the table has all
const LABELS = 14; // lines with words on them, where there is room

const namespaceOf = identifier => identifier.slice(0, identifier.indexOf(":"));
const valueOf = identifier => identifier.slice(identifier.indexOf(":") + 1);
const isDevice = ({ identifier }) => ["device", "anonymous"].includes(namespaceOf(identifier));
const day = moment => moment.slice(0, 10);

// `wide`: pixels that there are.
export function graph({ nodes, edges, is_whole: isWhole }, wide) {
  const refused = edges.filter(edge => edge.refused_by).length;
  const words = edges.length
    ? `${many(edges.length - refused, "piece of evidence joins", "pieces of evidence join")} them${refused ? `; ${refused} would have joined others and ${refused === 1 ? "was" : "were"} refused` : ""}.`
    : "Nothing else is joined to this yet: it is known by itself alone.";
  return [
    make("h3", {}, "Evidence"),
    make("p", {}, words, refused ? " Dashed lines are refused, dashed boxes nobody's or somebody else's." : "", isWhole ? "" : " There is more than is told here."),
    ...(edges.length ? [scrolling("Evidence as a graph", picture(nodes, edges, wide)),
      make("details", {}, make("summary", {}, `Evidence as a table (${many(edges.length, "row", "rows")})`), scrolling("Evidence as a table", rows(edges)))] : []),
  ];
}

const person = identifier => link(namespaceOf(identifier), valueOf(identifier), identifier);

const rows = edges => table([
  ["from", edge => person(edge.from)], ["to", edge => person(edge.to)],
  ["kind", edge => edge.kind], ["means", edge => edge.means], ["sessions", edge => String(edge.sessions)],
  ["first seen", edge => day(edge.first_seen)], ["last seen", edge => day(edge.last_seen)],
  ["for example", edge => [edge.event.name || edge.event.type, edge.event.channel, edge.event.occurred_at && day(edge.event.occurred_at)].filter(Boolean).join(", ")],
  ["refused", edge => (edge.refused_by ? `${edge.refused_by}: ${edge.because}` : "")],
], edges);

function picture(nodes, edges, wide) {
  const met = ({ identifier }) => edges.filter(edge => edge.from === identifier || edge.to === identifier).length;
  const shown = [...nodes].sort((one, other) => other.theirs - one.theirs || met(other) - met(one)).slice(0, DRAWN);
  const columns = [shown.filter(isDevice), shown.filter(node => !isDevice(node))];
  const width = Math.min(Math.max(wide, 330), 780);
  const beside = width > 480 ? 110 : BEND + 4; // the words of such a line, where there is room
  const box = Math.min((width - 2 * beside) * 0.37, 190);
  const at = new Map(columns.flatMap((column, side) => column.map((node, n) => [
    node.identifier, { side, left: side ? width - beside - box : beside, right: side ? width - beside : beside + box, y: HEAD + n * ROW + BOX / 2 }])));
  const height = Math.max(...columns.map(column => column.length)) * ROW + HEAD;
  const lines = pairs(edges.filter(edge => at.has(edge.from) && at.has(edge.to)));
  const svg = draw("svg", {
    class: "drawn graph", viewBox: `0 0 ${width} ${height}`, width, height, role: "img",
    "aria-label": `${many(shown.length, "identifier", "identifiers")} and ${many(lines.length, "line", "lines")}; the table below tells each`,
  });
  ["Devices", "Identifiers"].forEach((words, side) => columns[side].length && svg.append(
    draw("text", { class: "dim", x: side ? width - beside - box : beside, y: 18 }, words)));
  const begun = new Map(); // lines that leave a box, so that their words do not cover each other
  for (const some of lines) {
    const ends = [some[0].from, some[0].to].map(name => at.get(name)).sort((one, other) => one.side - other.side);
    begun.set(ends[0], (begun.get(ends[0]) ?? -1) + 1);
    svg.append(line(some, ...ends, begun.get(ends[0]), lines.length <= LABELS && width > 480));
  }
  svg.append(...shown.map(node => named(node, at.get(node.identifier))));
  return svg;
}

// All evidence between the same two is one line.
function pairs(edges) {
  const found = new Map();
  for (const edge of edges) {
    const key = JSON.stringify([edge.from, edge.to].sort());
    found.set(key, [...(found.get(key) ?? []), edge]);
  }
  return [...found.values()];
}

function line(edges, one, other, nth, isLabelled) {
  const across = one.side !== other.side;
  const beside = one.side ? one.right : one.left;
  const [x1, x2] = across ? [one.right, other.left] : [beside, beside];
  const bend = across ? (x2 - x1) / 2 : one.side ? BEND : -BEND;
  const [c1, c2] = [x1 + bend, across ? x2 - bend : x2 + bend];
  const refused = edges.every(edge => edge.refused_by);
  const kinds = edges.map(edge => `${edge.kind}${edge.sessions > 1 ? ` ×${edge.sessions}` : ""}`).join(", ");
  const told = edges.map(edge => `${edge.from} and ${edge.to}: ${edge.kind}, sessions: ${edge.sessions}, ${day(edge.first_seen)} to ${day(edge.last_seen)}${edge.refused_by ? `, refused: ${edge.refused_by}` : ""}`);
  // Of lines across, the words stand near the left end, where each is still by itself.
  const t = across ? 0.3 + 0.2 * (nth % 3) : 0.5;
  const on = (a, b, c, d) => (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t * t * c + t ** 3 * d;
  const middle = { x: on(x1, c1, c2, x2), y: on(one.y, one.y, other.y, other.y) };
  return draw("g", { class: `edge${refused ? " refused" : ""}` },
    draw("title", {}, told.join("\n")),
    draw("path", { d: `M${x1} ${one.y}C${c1} ${one.y} ${c2} ${other.y} ${x2} ${other.y}` }),
    ...(isLabelled ? [draw("text", { x: middle.x, y: middle.y + 4, "text-anchor": across ? "middle" : one.side ? "start" : "end" }, refused ? edges[0].refused_by : kinds)] : []));
}

function named({ identifier, theirs }, { left, right, y }) {
  return draw("g", { class: `node${theirs ? "" : " other"}` },
    draw("title", {}, theirs ? identifier : `${identifier}, somebody else's or nobody's`),
    draw("rect", { x: left, y: y - BOX / 2, width: right - left, height: BOX, rx: 6 }),
    draw("text", { x: (left + right) / 2, y: y + 4, "text-anchor": "middle" }, short(identifier.replace(/^device:/, ""), Math.floor((right - left - 8) / 7.4))));
}
