import { chart, text, tooltip } from "../charts.js";
import { count, many, most, short } from "../words.js";

const COLOURS = ["#4f7fd9", "#c2702e", "#2f9a7c", "#a65fb5", "#a08420", "#d0567c", "#5f8f3a", "#6b7a90"];

export const title = "Paths";
export const query = "paths";
export const says = "What do they do right after an event, or what led to it?";
export const fields = [
  { name: "direction", label: "Steps", options: [["after", "after"], ["before", "before"]] },
  { name: "event", label: "Event (none: where journeys begin)", input: { placeholder: "product_viewed", size: 20 } },
  { name: "depth", label: "How many", value: "3", input: { type: "number", min: 1, max: 8, required: "" } },
  { name: "top", label: "Edges a step", value: "8", input: { type: "number", min: 1, max: 30, required: "" } },
  { name: "within", label: "Within", options: [["journey", "the journey"], ["session", "a session"]] },
];
export const unit = ({ more }) => `Widths are how often each step was taken; the table has the ${more}.`;
export const parameters = ({ direction, event, depth, top, within }) => ({ direction, event, depth, top, within });

export const columns = ({ more }) => [
  ["step", row => String(row.step)], ["from", row => row.source], ["to", row => row.target],
  [more, row => count(row.people)], ["times", row => count(row.paths)],
];

export function headline({ rows, one, more }) {
  if (!rows.length) return `No ${one} goes any way.`;
  const first = most(rows, row => row.paths);
  return `The step most taken is ${first.source} to ${first.target}: ${many(first.paths, "time", "times")}, by ${many(first.people, one, more)}.`;
}

export const empty = ({ event }) => (event
  ? `Nobody did ${event} in these dates. Check its name in the Live view, or choose an earlier start.`
  : "Nobody did two different things in these dates. Choose an earlier start.");

export function picture({ rows, one, more }, sides, { direction }) {
  const depth = Math.max(...rows.map(row => row.step));
  // Columns from the left; the same event in two columns is two nodes, so that no way leads back.
  const column = row => (direction === "before" ? depth - row.step : row.step - 1);
  const nodes = new Map();
  const events = [...new Set(sides.flatMap(side => side.rows.flatMap(row => [row.source, row.target])))];
  const node = (at, event) => {
    const name = `${at} ${event}`;
    nodes.set(name, { name, event, depth: at, itemStyle: { color: COLOURS[events.indexOf(event) % COLOURS.length] }, last: at === depth });
    return name;
  };
  const links = rows.map(row => ({ source: node(column(row), row.source), target: node(column(row) + 1, row.target), value: row.paths, row }));
  const tallest = Math.max(...Array.from({ length: depth + 1 }, (_, at) => [...nodes.values()].filter(one => one.depth === at).length));
  return chart({
    label: rows.map(row => `step ${row.step}, ${row.source} to ${row.target}: ${row.paths}`).join("; "),
    height: Math.max(tallest * 34, 160) + 24,
    width: (depth + 1) * 120,
    option: c => ({
      tooltip: tooltip(c, ({ dataType, data }) => (dataType === "edge"
        ? `${data.row.source} to ${data.row.target}\n${many(data.row.paths, "time", "times")}, by ${many(data.row.people, one, more)}` : data.event)),
      series: [{
        type: "sankey",
        left: 8, right: 115, top: 12, bottom: 12, nodeWidth: 12, nodeGap: 14, draggable: false, layoutIterations: 32,
        emphasis: { focus: "adjacency" },
        label: { ...text(c), position: "right", formatter: ({ data }) => short(data.event, 18) },
        lineStyle: { color: "source", opacity: 0.35, curveness: 0.5 },
        data: [...nodes.values()],
        links,
      }],
    }),
  });
}
