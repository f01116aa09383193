import { chart, rowTooltip, text } from "../charts.js";
import { count, many, most, percent, short, time } from "../words.js";

const SHOWN = 6; // parts in the picture

export const title = "Funnel";
export const query = "funnel";
export const says = "How far do they get, and how long does each step take?";
export const fields = [
  { name: "by", label: "Steps are", options: [["stage", "stages"], ["milestone", "milestones"], ["event", "events"]] },
  { name: "steps", label: "Events, in order", where: ({ by }) => by === "event", input: { placeholder: "product_viewed, order_completed", size: 32 } },
  { name: "order", label: "Order", options: [["ordered", "in order"], ["strict", "in order, nothing out of turn"], ["any", "any"]] },
  { name: "breakdown", label: "Split by the first step's", options: [["", "nothing"], ["channel", "channel"], ["device", "type of device"], ["source", "source"], ["campaign", "campaign"], ["country", "country"]] },
  { name: "days", label: "Within days of the first", value: "30", input: { type: "number", min: 1, max: 3650, required: "" } },
];
export const unit = ({ more }, { breakdown }) => `Bars are the share of the ${more} at the first step; all steps lie within the days given.`
  + (breakdown ? ` Each part is a funnel of its own; the picture has the ${SHOWN} largest.` : "");

export const parameters = ({ by, steps, order, days, breakdown }) => ({
  by, order, breakdown, window_s: String(Math.round(Number(days) * 86400)), ...(by === "event" ? { steps } : {}),
});

const partOf = row => row.part || "none";

export const columns = ({ more }, { breakdown }) => [
  ...(breakdown ? [[breakdown, partOf]] : []),
  ["step", row => String(row.step)], ["name", row => row.name], [more, row => count(row.people)],
  ["of the first", row => percent(row.of_first)], ["of the one before", row => percent(row.of_previous)],
  ["half took at most", row => time(row.p50_s)], ["nine of ten at most", row => time(row.p90_s)],
];

export function headline({ rows, one, more }, { breakdown }) {
  if (!rows.length) return `No ${one} begins.`;
  const firsts = rows.filter(({ step }) => step === 1);
  const lasts = rows.filter(({ step }) => step === rows.at(-1).step);
  const [began, ended] = [firsts, lasts].map(some => some.reduce((sum, row) => sum + row.people, 0));
  const told = `Of ${many(began, one, more)} at ${rows[0].name}, ${percent(ended / began)} get to ${rows.at(-1).name}`;
  if (lasts.length < 2) return `${told}.`;
  const [best, worst] = [most(lasts, row => row.of_first), most(lasts, row => -row.of_first)];
  if (best.of_first === worst.of_first) return `${told}, whatever the ${breakdown}.`;
  return `${told}: from ${percent(worst.of_first)} (${partOf(worst)}) to ${percent(best.of_first)} (${partOf(best)}).`;
}

export function empty({ by }) {
  if (by === "milestone") return "No milestones, or nobody reached one. A journey.toml defines them; the collector's setting journey names the file.";
  if (by === "event") return "Nobody did the first of these events in these dates. Check their names in the Live view, or choose an earlier start.";
  return "Nobody was at the first stage in these dates. Choose an earlier start, or check that events carry a stage.";
}

export function picture({ rows: all, one, more }, sides, { breakdown }) {
  const parts = [...new Set(all.map(({ part }) => part))].slice(0, SHOWN); // the largest come first
  const rows = all.filter(({ part }) => parts.includes(part));
  const name = row => (breakdown ? `${short(partOf(row), 14)} · ${row.name}` : row.name);
  const told = row => `${many(row.people, one, more)}, ${percent(row.of_first)}`;
  return chart({
    label: rows.map(row => `${name(row)}: ${told(row)}`).join("; "),
    height: rows.length * 52 + 40,
    option: c => ({
      grid: { left: 8, right: 12, top: 4, bottom: 28 },
      tooltip: rowTooltip(c, n => [breakdown ? `${partOf(rows[n])} · ${rows[n].name}` : rows[n].name, told(rows[n]), `${percent(rows[n].of_previous)} of the step before`,
        rows[n].p50_s === null ? "" : `half within ${time(rows[n].p50_s)}, nine of ten within ${time(rows[n].p90_s)}`].filter(Boolean).join("\n")),
      xAxis: { type: "value", min: 0, max: 1, axisLabel: text(c, { color: c.dim, formatter: percent }), splitLine: { show: false } },
      yAxis: { type: "category", inverse: true, data: rows.map(name), show: false },
      series: [{
        type: "bar",
        barWidth: 16,
        itemStyle: { borderRadius: 2 },
        showBackground: true,
        backgroundStyle: { color: c.line, opacity: 0.35 },
        label: { show: true, position: [0, -17], ...text(c), formatter: ({ dataIndex: n }) => `${short(name(rows[n]), breakdown ? 32 : 24)}   ${told(rows[n])}` },
        // Every other part in another colour, so that one sees where a funnel begins.
        data: rows.map(row => ({ value: row.of_first, itemStyle: { color: parts.indexOf(row.part) % 2 ? c.dim : c.mark } })),
      }],
    }),
  });
}
