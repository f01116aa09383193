import { ask } from "../ask.js";
import { heat } from "../charts.js";
import { count, many, most, time } from "../words.js";

export const title = "Stage transitions";
export const query = "stage_transitions";
export const says = "From which stage to which do they go, and where do they turn back?";
export const fields = [];
export const unit = ({ more }) => `Numbers are ${more} who went from the stage of the row to that of the column.`;
export const parameters = () => ({});

export const columns = ({ more }) => [
  ["from", row => row.from_stage], ["to", row => row.to_stage], ["direction", row => row.direction], [more, row => count(row.people)],
  ["transitions", row => count(row.transitions)], ["half left within", row => time(row.p50_s)], ["nine of ten within", row => time(row.p90_s)],
];

export function headline({ rows, one, more }) {
  if (!rows.length) return `No ${one} changes the stage.`;
  const first = most(rows, row => row.people);
  const back = rows.filter(({ direction }) => direction === "back").reduce((sum, { transitions }) => sum + transitions, 0);
  return `Most ${more} go from ${first.from_stage} to ${first.to_stage}: ${count(first.people)}; ${many(back, "transition goes", "transitions go")} back.`;
}

export const empty = () => "Nobody changed the stage in these dates. Choose an earlier start, or check that events carry a stage.";

export async function picture({ rows, one, more }, sides) {
  const stages = await inOrder(sides.flatMap(side => side.rows));
  return heat({
    label: rows.map(row => `${row.from_stage} to ${row.to_stage}: ${row.people}`).join("; "),
    rows: stages,
    columns: stages,
    cells: rows.map(row => ({ x: stages.indexOf(row.to_stage), y: stages.indexOf(row.from_stage), value: row.people,
      told: `${row.from_stage} to ${row.to_stage} (${row.direction})\n${many(row.people, one, more)}, ${many(row.transitions, "time", "times")}\nhalf left within ${time(row.p50_s)}` })),
    most: Math.max(...sides.flatMap(side => side.rows.map(row => row.people))),
    to: "to stage",
  });
}

// As the journey has them; those that it does not know come last.
async function inOrder(rows) {
  const body = "SELECT stage FROM journey_stages ORDER BY position";
  const { data } = await (await ask("/v1/sql?format=JSONCompact", { method: "POST", body })).json();
  const met = new Set(rows.flatMap(row => [row.from_stage, row.to_stage]));
  const known = data.map(([stage]) => stage);
  return [...known.filter(stage => met.has(stage)), ...[...met].filter(stage => !known.includes(stage)).sort()];
}
