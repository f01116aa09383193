// What the page takes of Apache ECharts; README.md beside this says how echarts.js is made from it.
import { BarChart, HeatmapChart, SankeyChart } from "echarts/charts";
import { AriaComponent, GridComponent, LegendPlainComponent, TooltipComponent, VisualMapContinuousComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";

use([
  BarChart, HeatmapChart, SankeyChart, AriaComponent, GridComponent, LegendPlainComponent, TooltipComponent,
  VisualMapContinuousComponent, SVGRenderer,
]);
export { init };
