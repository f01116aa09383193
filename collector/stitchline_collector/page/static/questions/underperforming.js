import { chart, rowTooltip, text } from "../charts.js";
import { count, many, most, percent, short } from "../words.js";

const SHOWN = 15;

export const title = "Under-performing channels";
export const query = "underperforming";
export const says = "Where do fewer go on to a later stage than of the rest, beyond chance?";
export const fields = [
  { name: "by", label: "Of", options: [["channel", "channels"], ["device", "types of device"], ["source", "sources"], ["campaign", "campaigns"], ["content", "contents"], ["page", "pages"]] },
  { name: "met", label: "Who met it", options: [["first", "first in the stage"], ["any", "at any time in the stage"]] },
];
export const unit = ({ more }) => `Bars are the share of ${more} at a stage who went on to a later one; thin bars are the rest's share.`;
export const parameters = ({ by, met }) => ({ by, met });

const points = value => (value === null ? "" : count(value * 100));

export const columns = ({ more }) => [
  ["stage", row => row.stage], ["part", row => row.part], [more, row => count(row.people)], ["went on", row => percent(row.rate)],
  ["the rest", row => percent(row.rest_rate)], ["difference, points", row => points(row.difference)],
  ["from", row => points(row.lower)], ["to", row => points(row.upper)], ["beyond chance", row => row.verdict || "no"],
  ["missing", row => (row.missing === null ? "" : count(row.missing))],
];

export function headline({ rows, more }) {
  const under = rows.filter(({ verdict }) => verdict === "under");
  if (!under.length) return `No difference between ${more} is beyond chance.`;
  const worst = most(under, row => row.missing);
  return `At ${worst.stage}, ${worst.part || "none"} loses most ${more}: ${percent(worst.rate)} went on, of the rest ${percent(worst.rest_rate)}; ${count(worst.missing)} are missing.`;
}

export const empty = () => "Nobody was at a stage in these dates. Choose an earlier start, or check that events carry a stage.";

// What is beyond chance comes first, then what most people are missing at.
const weight = row => (row.verdict === "under" ? 2e9 : row.verdict === "over" ? 1e9 : 0) + Math.abs(row.missing ?? 0);

export function picture({ rows, one, more }) {
  const shown = [...rows].sort((a, b) => weight(b) - weight(a)).slice(0, SHOWN);
  const name = row => `${row.stage} · ${row.part || "none"}`;
  const told = row => `${percent(row.rate)} of ${count(row.people)}${row.verdict ? `, ${row.verdict}` : ""}`;
  return chart({
    label: shown.map(row => `${name(row)}: ${told(row)}, the rest ${percent(row.rest_rate)}`).join("; "),
    height: shown.length * 52 + 40,
    option: c => ({
      grid: { left: 8, right: 12, top: 4, bottom: 28 },
      tooltip: rowTooltip(c, n => `${name(shown[n])}\n${percent(shown[n].rate)} of ${many(shown[n].people, one, more)}\nthe rest: ${percent(shown[n].rest_rate)} of ${count(shown[n].rest_people)}`
        + (shown[n].lower === null ? "" : `\ndifference: ${points(shown[n].lower)} to ${points(shown[n].upper)} points`)),
      xAxis: { type: "value", min: 0, max: 1, axisLabel: text(c, { color: c.dim, formatter: percent }), splitLine: { show: false } },
      yAxis: { type: "category", inverse: true, data: shown.map(name), show: false },
      series: [
        {
          type: "bar",
          barWidth: 14,
          barGap: "10%",
          label: { show: true, position: [0, -17], ...text(c), formatter: ({ dataIndex: n }) => `${short(name(shown[n]), 30)}   ${told(shown[n])}` },
          data: shown.map(row => ({ value: row.rate, itemStyle: { borderRadius: 2, color: row.verdict === "under" ? c.bad : c.mark } })),
        },
        { type: "bar", barWidth: 5, itemStyle: { color: c.dim, borderRadius: 2 }, data: shown.map(row => row.rest_rate) },
      ],
    }),
  });
}
