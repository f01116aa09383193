// Rows that can be read without the picture.
import { make } from "./dom.js";

// `columns` are pairs of a heading and what gives its cell, as text, of a row.
export function table(columns, rows, caption = "") {
  return make("table", {},
    ...(caption ? [make("caption", {}, caption)] : []),
    make("thead", {}, make("tr", {}, ...columns.map(([head]) => make("th", { scope: "col" }, head)))),
    make("tbody", {}, ...rows.map(row => make("tr", {}, ...columns.map(([, cell]) => box(cell(row)))))));
}

const SHORT = 24; // characters that stay on one line

function box(content) {
  const length = (content.textContent ?? content).length;
  return make("td", { class: length <= SHORT ? "short" : "long" }, content);
}

export const scrolling = (label, ...inside) => make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label }, ...inside);
