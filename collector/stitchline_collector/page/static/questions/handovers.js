import { heat } from "../charts.js";
import { count, many, most, time } from "../words.js";

const SHOWN = 15;

export const title = "Hand-overs";
export const query = "handovers";
export const says = "From which channel, or type of device, do they go on to which, and how long does it take?";
export const fields = [
  { name: "by", label: "Between", options: [["channel", "channels"], ["device", "types of device"], ["both", "both together"]] },
  { name: "from_stage", label: "From stage", input: { placeholder: "any", size: 14 } },
  { name: "to_stage", label: "To stage", input: { placeholder: "any", size: 14 } },
];
export const unit = ({ more }) => `Numbers are hand-overs from the row to the column; the table has the ${more} and the stages, the picture the ${SHOWN} busiest.`;
export const parameters = ({ by }) => ({ by });
export const taken = (rows, { from_stage: from, to_stage: to }) => rows.filter(row => (!from || row.from_stage === from) && (!to || row.to_stage === to));

export const columns = ({ more }) => [
  ["from", row => row.came_from], ["to", row => row.went_to], ["stage before", row => row.from_stage], ["stage after", row => row.to_stage],
  [more, row => count(row.people)], ["hand-overs", row => count(row.handovers)], ["half within", row => time(row.p50_s)], ["nine of ten within", row => time(row.p90_s)],
];

export function headline({ rows, one, more }) {
  if (!rows.length) return `No ${one} goes from one to another.`;
  const first = most(rows, row => row.people);
  const stages = first.from_stage === first.to_stage ? `within ${first.from_stage || "no stage"}` : `from ${first.from_stage || "no stage"} to ${first.to_stage || "no stage"}`;
  return `Most ${more} go from ${first.came_from} to ${first.went_to} ${stages}: ${count(first.people)}, half of them within ${time(first.p50_s)}.`;
}

export const empty = () => "Nobody went on from one to another in these dates and stages. Choose an earlier start or other stages, or check that events carry a channel.";

export function picture({ rows }, sides) {
  const everywhere = sides.map(side => pairs(side.rows));
  const names = busiest(everywhere.flatMap(one => [...one.values()]));
  const ours = [...pairs(rows).values()].filter(pair => names.includes(pair.from) && names.includes(pair.to));
  return heat({
    label: ours.map(pair => `${pair.from} to ${pair.to}: ${pair.handovers}`).join("; "),
    rows: names,
    columns: names,
    cells: ours.map(({ from, to, handovers, parts }) => ({ x: names.indexOf(to), y: names.indexOf(from), value: handovers,
      told: [`${from} to ${to}: ${many(handovers, "hand-over", "hand-overs")}`, ...parts].join("\n") })),
    most: Math.max(...everywhere.flatMap(one => [...one.values()].map(pair => pair.handovers))),
    to: "went on to",
  });
}

function busiest(all) {
  const sums = new Map();
  for (const { from, to, handovers } of all) {
    for (const name of [from, to]) sums.set(name, (sums.get(name) ?? 0) + handovers);
  }
  return [...sums].sort((one, other) => other[1] - one[1] || one[0].localeCompare(other[0])).map(([name]) => name).slice(0, SHOWN);
}

// A row for each pair of stages becomes one for each pair of channels. Hand-overs add up; people may be in several rows.
function pairs(rows) {
  const found = new Map();
  for (const row of rows) {
    const key = JSON.stringify([row.came_from, row.went_to]);
    if (!found.has(key)) found.set(key, { from: row.came_from, to: row.went_to, handovers: 0, parts: [] });
    const pair = found.get(key);
    pair.handovers += row.handovers;
    if (pair.parts.length < 4) pair.parts.push(`${row.from_stage || "no stage"} to ${row.to_stage || "no stage"}: ${count(row.handovers)}, half within ${time(row.p50_s)}`);
  }
  return found;
}
