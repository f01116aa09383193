import { heat } from "../charts.js";
import { count, many, most, percent } from "../words.js";

const SHOWN = 20;

export const wide = true;
export const title = "By day";
export const query = "people_by_day";
export const says = "How many were there each day, on which channel, and how much of it did only stitching bring together?";
export const fields = [
  { name: "breakdown", label: "By", options: [["channel", "channel"], ["device", "type of device"], ["source", "source"], ["campaign", "campaign"], ["country", "country"]] },
];
export const unit = ({ more }) => `Numbers are ${more} seen that day (UTC); who was on two counts on both. The picture has the ${SHOWN} busiest.`;
export const parameters = ({ breakdown }) => ({ breakdown });

export const columns = ({ more }) => [
  ["day", row => row.day], ["part", row => row.part], [more, row => count(row.people)], ["devices", row => count(row.devices)],
  ["channels", row => count(row.channels)], ["events", row => count(row.events)], ["stitched", row => percent(row.stitched_share)],
];

export function headline({ rows, name, one, more }) {
  if (!rows.length) return `No ${one} was seen.`;
  const busiest = most(rows, row => row.people);
  const told = `Most ${more} were seen on ${busiest.day}, on ${busiest.part || "none"}: ${count(busiest.people)}`;
  const events = rows.reduce((sum, row) => sum + row.events, 0);
  const stitched = rows.reduce((sum, row) => sum + row.events * row.stitched_share, 0) / events;
  return name === "stitched" ? `${told}; of all events, ${percent(stitched)} are a person's only by stitching.` : `${told}.`;
}

export const empty = () => "Nobody was seen in these dates. Choose an earlier start.";

export function picture({ rows, one, more }, sides) {
  const days = daysOf(sides.flatMap(side => side.rows.map(row => row.day)));
  const total = new Map();
  for (const row of sides.flatMap(side => side.rows)) total.set(row.part, (total.get(row.part) ?? 0) + row.people);
  const parts = [...total].sort((a, b) => b[1] - a[1]).map(([part]) => part).slice(0, SHOWN);
  return heat({
    label: `${many(days.length, "day", "days")} and ${many(parts.length, "part", "parts")}; the table below has the numbers`,
    rows: parts,
    columns: days,
    cells: rows.filter(row => parts.includes(row.part)).map(row => ({ x: days.indexOf(row.day), y: parts.indexOf(row.part), value: row.people,
      told: `${row.day}, ${row.part || "none"}\n${many(row.people, one, more)} on ${many(row.devices, "device", "devices")}\n${many(row.events, "event", "events")}` })),
    most: Math.max(...sides.flatMap(side => side.rows.map(row => row.people))),
    to: "day",
    cell: 33,
    said: name => name.slice(5),
  });
}

// Each day from the first to the last, also those without anybody; of more than a quarter of a year only days with somebody.
function daysOf(met) {
  const sorted = [...new Set(met)].sort();
  const [first, last] = [sorted[0], sorted.at(-1)].map(day => Date.parse(day));
  const length = (last - first) / 86_400_000 + 1;
  return length > 92 ? sorted : Array.from({ length }, (_, n) => new Date(first + n * 86_400_000).toISOString().slice(0, 10));
}
