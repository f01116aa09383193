/** What the shop's pages do; the SDK is one call each. Calls before the SDK is there wait in an array. */
const say = (...call) => (window.stitchline ||= []).push(call);
const note = (text) => { document.getElementById("said").textContent = text; };

document.addEventListener("click", async (event) => {
  const { target } = event;
  const tracked = target.closest("[data-track]");
  if (tracked) {
    const { track, stage, properties } = tracked.dataset;
    say("track", track, JSON.parse(properties || "{}"), stage ? { stage } : {});
    note(`Said: ${track}`);
  }
  const asked = target.closest("[data-consent]");
  if (asked) say("consent", { analytics: asked.dataset.consent === "true" });
  if (target.closest("#sign-out")) {
    say("logout");
    note("Said: logout");
  }
  const route = target.closest("[data-route]");
  if (route) {
    event.preventDefault();
    history.pushState(null, "", route.href);
    document.title = route.textContent;
  }
  const away = target.closest("[data-hand-over]");
  if (away && !away.href.includes("_stl=")) {
    // Another domain keeps other storage: the token says which device this is.
    event.preventDefault();
    const { make_link_token } = await import("/links.js");
    const token = make_link_token({ device: stitchline.client().device.id }, "the link key of the example shop", { via: "cross_domain" });
    location.href = `${away.href}?_stl=${token}`;
  }
});

document.getElementById("sign-in")?.addEventListener("submit", (event) => {
  event.preventDefault();
  const { user, email } = event.target.elements;
  say("identify", user.value, { email: email.value });
  note("Said: identify");
});
