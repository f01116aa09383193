// Questions to the analysts' views, for a range of dates, by person and by device: the difference is what stitching found out.
import { ask } from "./ask.js";
import { clear } from "./charts.js";
import { byId, make } from "./dom.js";
import * as days from "./questions/days.js";
import * as funnel from "./questions/funnel.js";
import * as handovers from "./questions/handovers.js";
import * as paths from "./questions/paths.js";
import * as transitions from "./questions/transitions.js";
import * as underperforming from "./questions/underperforming.js";
import { scrolling, table } from "./table.js";

const QUESTIONS = { funnel, transitions, paths, handovers, days, underperforming };
const SIDES = [
  { name: "stitched", title: "people, stitched", one: "person", more: "people" },
  { name: "device", title: "devices, not stitched", one: "device", more: "devices" },
];
const DAY_MS = 86_400_000;
let running = new AbortController();
let asked = false;

const day = ms => new Date(ms).toISOString().slice(0, 10);
const chosen = () => QUESTIONS[byId("question").value];

export function start() {
  byId("question").replaceChildren(...Object.entries(QUESTIONS).map(([name, { title }]) => make("option", { value: name }, title)));
  byId("question").addEventListener("change", () => {
    showFields();
    answer();
  });
  byId("questions-form").addEventListener("submit", event => {
    event.preventDefault();
    answer();
  });
  byId("questions-form").addEventListener("change", showWhere);
  for (const button of byId("ranges").querySelectorAll("button")) {
    button.addEventListener("click", () => {
      range(Number(button.value));
      answer();
    });
  }
  range(30);
  showFields();
}

// What the address says: a question can be kept as a link.
export function open(given) {
  if (asked && !given.has("question")) return;
  if (given.get("question") in QUESTIONS) byId("question").value = given.get("question");
  showFields();
  for (const [name, value] of given) {
    const field = byId("questions-form").elements[name];
    if (field) field.value = value;
  }
  showWhere();
  answer();
}

function range(length) {
  const now = Date.now();
  byId("since").value = length ? day(now - (length - 1) * DAY_MS) : "";
  byId("until").value = length ? day(now) : "";
}

function showFields() {
  byId("question-says").textContent = chosen().says;
  byId("question-fields").replaceChildren(...chosen().fields.map(field => make("label", { "data-field": field.name }, field.label, " ", control(field))));
  showWhere();
}

function control({ name, options, value = "", ...more }) {
  if (!options) return make("input", { name, value, ...more.input });
  return make("select", { name }, ...options.map(([key, words]) => make("option", { value: key }, words)));
}

function showWhere() {
  const values = given();
  for (const field of chosen().fields) {
    byId("question-fields").querySelector(`[data-field="${field.name}"]`).hidden = field.where?.(values) === false;
  }
}

const given = () => Object.fromEntries(new FormData(byId("questions-form")));

async function answer() {
  running.abort();
  running = new AbortController();
  const { signal } = running;
  asked = true;
  const question = chosen();
  const values = given();
  keep(values);
  const sides = SIDES.filter(({ name }) => values.compare === "both" || values.compare === name);
  say("Asking…");
  byId("answers").setAttribute("aria-busy", "true");
  try {
    const answers = await Promise.all(sides.map(side => rowsOf(question, values, side, signal)));
    const shown = sides.map((side, n) => ({ ...side, rows: answers[n] }));
    const figures = await Promise.all(shown.map(side => figure(question, values, side, shown)));
    if (signal.aborted) return;
    clear(byId("answers"));
    byId("answers").classList.toggle("beside", !question.wide);
    byId("answers").append(...figures);
    say(shown.some(({ rows }) => rows.length) ? shown.map(side => question.headline(side, values)).join(" ") : question.empty(values));
  } catch (error) {
    if (signal.aborted) return;
    clear(byId("answers"));
    say(`No answer: ${error.message}`);
  }
  byId("answers").removeAttribute("aria-busy");
}

const say = words => { byId("questions-said").textContent = words; };

async function rowsOf(question, values, side, signal) {
  const parameters = new URLSearchParams({ ...question.parameters(values), stitched: side.name === "stitched" ? "1" : "0", format: "JSON" });
  if (values.since) parameters.set("since", values.since);
  if (values.until) parameters.set("until", day(Date.parse(values.until) + DAY_MS)); // the view leaves the last day out
  const found = await (await ask(`/v1/queries/${question.query}?${parameters}`, { signal })).json();
  const rows = found.data.map(row => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, numeric(found.meta, name, value)])));
  return question.taken ? question.taken(rows, values) : rows;
}

// ClickHouse quotes 64-bit numbers in JSON.
const numeric = (meta, name, value) => (/Int|Float/.test(meta.find(one => one.name === name).type) && value !== null ? Number(value) : value);

async function figure(question, values, side, all) {
  const caption = make("figcaption", {}, make("strong", {}, `${question.title}: ${side.title}`), question.unit(side, values));
  if (!side.rows.length) return make("figure", {}, caption, make("p", { class: "empty" }, question.empty(values)));
  const picture = await question.picture(side, all, values);
  const numbers = make("details", {},
    make("summary", {}, `Numbers as a table (${side.rows.length} ${side.rows.length === 1 ? "row" : "rows"})`),
    scrolling(`${question.title}, ${side.title}: numbers`, table(question.columns(side, values), side.rows)));
  return make("figure", { "data-side": side.name }, caption, scrolling(`${question.title}, ${side.title}: chart`, picture), numbers);
}

function keep(values) {
  const said = new URLSearchParams(Object.entries(values).filter(([, value]) => value !== ""));
  if (location.hash.startsWith("#questions")) history.replaceState(null, "", `/#questions?${said}`);
}
