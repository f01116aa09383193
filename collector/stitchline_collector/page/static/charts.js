// Pictures by the charts' library, which is fetched when the first one is drawn. They are SVG and obey the page's policy: tooltips are
// drawn as text too, never set as HTML.
import { byId, make } from "./dom.js";
import { short } from "./words.js";

let library;
const drawn = new Set();
const redraw = () => drawn.forEach(chart => chart.draw());
const widths = new ResizeObserver(entries => entries.forEach(({ target }) => target.chart?.fit()));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

export function load() {
  library ??= import("/page/vendor/echarts.js").catch(error => {
    library = undefined; // the next chart tries again
    throw new Error(`the charts' library does not load: ${error.message}`);
  });
  return library;
}

// `option` makes ECharts' description from the colours in force; `height` is in pixels, and a narrower place than `width` scrolls.
export async function chart({ label, height, width = 0, option }) {
  const { init } = await load();
  const picture = make("div", { class: "chart", role: "img", "aria-label": label });
  picture.style.height = `${height}px`;
  picture.style.minWidth = `${width}px`;
  const made = init(picture, null, { renderer: "svg", width: Math.max(width, 320), height });
  const describe = () => ({ animation: false, aria: { enabled: false }, ...option(colours()) });
  picture.chart = {
    draw: () => made.setOption(describe(), true),
    fit: () => picture.clientWidth && made.resize({ width: picture.clientWidth, height }),
    end: () => made.dispose(),
  };
  picture.chart.draw();
  drawn.add(picture.chart);
  widths.observe(picture);
  return picture;
}

export function clear(place) {
  for (const { chart: one } of place.querySelectorAll(".chart")) {
    drawn.delete(one);
    one.end();
  }
  place.replaceChildren();
}

function colours() {
  const style = getComputedStyle(byId("answers"));
  const of = name => style.getPropertyValue(`--${name}`).trim();
  return { ink: of("ink"), dim: of("dim"), line: of("line"), card: of("card"), back: of("back"), mark: of("mark"), bad: of("bad"), most: of("most"), font: style.fontFamily };
}

export const text = (c, more = {}) => ({ color: c.ink, fontFamily: c.font, fontSize: 12, ...more });

export const tooltip = (c, formatter) => ({
  trigger: "item", renderMode: "richText", confine: true, backgroundColor: c.back, borderColor: c.line, textStyle: text(c), formatter,
});

// For rows of bars: a short bar is hard to point at, so its whole row answers.
export const rowTooltip = (c, told) => ({ ...tooltip(c, ([{ dataIndex }]) => told(dataIndex)), trigger: "axis", axisPointer: { type: "none" } });

// A grid of numbers, in a colour that is stronger where they are greater and never too strong to read them.
export function heat({ label, rows, columns, cells, most, to, cell = 40, said = name => short(name, 11) }) {
  const long = Math.max(...rows.map(name => short(name).length));
  const left = Math.min(8 + long * 7, 150);
  return chart({
    label,
    height: rows.length * 36 + 84,
    width: left + columns.length * cell + 16,
    option: c => ({
      grid: { left: left + 8, right: 8, top: 8, bottom: 72 },
      tooltip: tooltip(c, ({ data }) => data.told),
      xAxis: {
        type: "category", data: columns, name: to, nameLocation: "middle", nameGap: 56, nameTextStyle: text(c, { color: c.dim }),
        axisLabel: text(c, { rotate: 35, interval: 0, formatter: said }), axisLine: { lineStyle: { color: c.line } },
        axisTick: { show: false }, splitArea: { show: false },
      },
      yAxis: {
        type: "category", data: rows, inverse: true,
        axisLabel: text(c, { formatter: name => short(name) }), axisLine: { lineStyle: { color: c.line } }, axisTick: { show: false },
      },
      visualMap: { type: "continuous", show: false, min: 0, max: Math.max(most, 1), inRange: { color: [c.card, c.most] } },
      series: [{
        type: "heatmap",
        itemStyle: { borderColor: c.line, borderWidth: 1 },
        emphasis: { itemStyle: { borderColor: c.ink } },
        label: { show: true, formatter: ({ value }) => value[2].toLocaleString("en") },
        data: cells.map(({ x, y, value, told }) => ({ value: [x, y, value], told, label: text(c) })),
      }],
    }),
  });
}
