// Takes the key, shows one view at a time, and keeps the open view up to date.
import { Refused, ask, forget, keep, key } from "./ask.js";
import { byId } from "./dom.js";
import * as health from "./health.js";
import * as live from "./live.js";
import * as person from "./person.js";
import * as questions from "./questions.js";

const AGAIN_MS = 1000;
const VIEWS = ["live", "person", "questions", "health"];
const RUNS = { live: live.run, health: health.run };
const nav = document.querySelector("nav");
let open = "";
let running = new AbortController();

function say(trouble) {
  if (byId("trouble").textContent !== trouble) byId("trouble").textContent = trouble;
  byId("trouble").hidden = !trouble;
}

function show() {
  const [asked, given] = location.hash.slice(1).split("?");
  const before = open;
  open = key() === null ? "key" : VIEWS.includes(asked) ? asked : "live";
  nav.hidden = byId("forget").hidden = open === "key";
  for (const name of ["key", ...VIEWS]) byId(`view-${name}`).hidden = name !== open;
  for (const link of nav.querySelectorAll("a")) {
    if (link.hash === `#${open}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (open === "key") byId("key").focus();
  if (open === "questions") questions.open(new URLSearchParams(given));
  if (open === "person") person.open();
  if (open === before) return;
  running.abort();
  running = new AbortController();
  if (before !== "key") say("");
  if (RUNS[open]) run(RUNS[open], running.signal);
}

// Again and again: a stream that has ended is opened anew.
async function run(view, signal) {
  while (!signal.aborted) {
    try {
      await view(signal, () => say(""));
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Refused && error.status === 401) {
        forget();
        show();
        say("The collector does not let this key read.");
        return;
      }
      say(`${error instanceof Refused ? error.message : "The collector does not answer"}. Trying again.`);
    }
    await new Promise(go => { setTimeout(go, AGAIN_MS); });
  }
}

// A link may bring the key, and a person; what stands in the address would stay in the history.
function take() {
  const given = new URLSearchParams(location.hash.slice(1));
  if (!given.has("key")) return;
  keep(given.get("key"));
  const [namespace, ...rest] = (given.get("who") ?? "").split(":");
  const view = rest.length ? "person" : given.get("view");
  history.replaceState(null, "", VIEWS.includes(view) ? `/#${view}` : "/");
  if (rest.length) person.find(namespace, rest.join(":"));
}

byId("key-form").addEventListener("submit", async event => {
  event.preventDefault();
  keep(byId("key").value);
  byId("key").value = "";
  try {
    await ask("/v1/tail?events=0");
    say("");
  } catch (error) {
    forget();
    say(error.message);
  }
  show();
});
byId("forget").addEventListener("click", () => {
  forget();
  location.replace("/"); // also what the key had let be seen
});
addEventListener("hashchange", () => {
  take();
  show();
});
live.start();
person.start();
questions.start();
take();
show();
