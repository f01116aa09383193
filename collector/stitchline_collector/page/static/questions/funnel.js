import { chart, rowTooltip, text } from "../charts.js";
import { count, many, percent, short, time } from "../words.js";

export const title = "Funnel";
export const query = "funnel";
export const says = "How far do they get, and how long does each step take?";
export const fields = [
  { name: "by", label: "Steps are", options: [["stage", "stages"], ["milestone", "milestones"], ["event", "events"]] },
  { name: "steps", label: "Events, in order", where: ({ by }) => by === "event", input: { placeholder: "product_viewed, order_completed", size: 32 } },
  { name: "order", label: "Order", options: [["ordered", "in order"], ["strict", "in order, nothing out of turn"], ["any", "any"]] },
  { name: "days", label: "Within days of the first", value: "30", input: { type: "number", min: 1, max: 3650, required: "" } },
];
export const unit = ({ more }) => `Bars are the share of the ${more} at the first step; all steps lie within the days given.`;

export const parameters = ({ by, steps, order, days }) => ({
  by, order, window_s: String(Math.round(Number(days) * 86400)), ...(by === "event" ? { steps } : {}),
});

export const columns = ({ more }) => [
  ["step", row => String(row.step)], ["name", row => row.name], [more, row => count(row.people)],
  ["of the first", row => percent(row.of_first)], ["of the one before", row => percent(row.of_previous)],
  ["half took at most", row => time(row.p50_s)], ["nine of ten at most", row => time(row.p90_s)],
];

export function headline({ rows, one, more }) {
  if (!rows.length) return `No ${one} begins.`;
  const [first, last] = [rows[0], rows.at(-1)];
  return `Of ${many(first.people, one, more)} at ${first.name}, ${percent(last.of_first)} get to ${last.name}.`;
}

export function empty({ by }) {
  if (by === "milestone") return "No milestones, or nobody reached one. A journey.toml defines them; the collector's setting journey names the file.";
  if (by === "event") return "Nobody did the first of these events in these dates. Check their names in the Live view, or choose an earlier start.";
  return "Nobody was at the first stage in these dates. Choose an earlier start, or check that events carry a stage.";
}

export function picture({ rows, one, more }) {
  const told = row => `${many(row.people, one, more)}, ${percent(row.of_first)}`;
  return chart({
    label: rows.map(row => `${row.name}: ${told(row)}`).join("; "),
    height: rows.length * 52 + 40,
    option: c => ({
      grid: { left: 8, right: 12, top: 4, bottom: 28 },
      tooltip: rowTooltip(c, n => [rows[n].name, told(rows[n]), `${percent(rows[n].of_previous)} of the step before`,
        rows[n].p50_s === null ? "" : `half within ${time(rows[n].p50_s)}, nine of ten within ${time(rows[n].p90_s)}`].filter(Boolean).join("\n")),
      xAxis: { type: "value", min: 0, max: 1, axisLabel: text(c, { color: c.dim, formatter: percent }), splitLine: { show: false } },
      yAxis: { type: "category", inverse: true, data: rows.map(row => row.name), show: false },
      series: [{
        type: "bar",
        barWidth: 16,
        itemStyle: { color: c.mark, borderRadius: 2 },
        showBackground: true,
        backgroundStyle: { color: c.line, opacity: 0.35 },
        label: { show: true, position: [0, -17], ...text(c), formatter: ({ dataIndex: n }) => `${short(rows[n].name, 24)}   ${told(rows[n])}` },
        data: rows.map(row => row.of_first),
      }],
    }),
  });
}
