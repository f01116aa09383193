// Runs the calls of one Node client against a collector: node node_clients.mjs CLIENT SCENARIO URL KEY USER
// Scenarios: `calls`, every call there is; `one`, a single event, which the client delivers whenever it can.
import { createRequire } from "node:module";

const require = createRequire(new URL("../../.tools/", import.meta.url));
const [client, scenario, url, key, user] = process.argv.slice(2);
const WHEN = new Date("2026-11-22T10:00:00.123Z");
const page = { url: "https://shop.example/cart?utm_source=news", title: "Cart", referrer: "https://www.google.com/" };

const clients = {
  async segment() {
    const { Analytics } = require("@segment/analytics-node");
    const analytics = new Analytics({ writeKey: key, host: url, maxRetries: 30, flushInterval: 200 });
    if (scenario === "one") {
      analytics.track({ userId: user, event: "kept" });
    } else {
      const both = { userId: user, timestamp: WHEN, context: { page, device: { id: `dev-${user}` } } };
      analytics.identify({ ...both, anonymousId: `anon-${user}`, traits: { email: "ada@example.org", plan: "gold" } });
      analytics.track({ ...both, event: "order", properties: { total: 289.5 } });
      analytics.page({ ...both, name: "Cart", category: "Shop" });
      analytics.screen({ ...both, name: "Basket" });
      analytics.group({ ...both, groupId: "acme", traits: { seats: 5 } });
      analytics.alias({ userId: user, previousId: `former-${user}`, timestamp: WHEN });
    }
    await analytics.closeAndFlush({ timeout: 60000 });
  },

  async posthog() {
    const { PostHog } = require("posthog-node");
    const posthog = new PostHog(key, { host: url, flushInterval: 200, fetchRetryCount: 60, fetchRetryDelay: 500 });
    if (scenario === "one") {
      posthog.capture({ distinctId: user, event: "kept" });
    } else {
      const both = { distinctId: user, timestamp: WHEN };
      posthog.capture({ ...both, event: "order", properties: { total: 289.5, $current_url: page.url, $device_id: `dev-${user}`, $session_id: "s-1" } });
      posthog.capture({ ...both, event: "$pageview", properties: { $current_url: page.url } });
      posthog.identify({ distinctId: user, properties: { email: "ada@example.org", plan: "gold" } });
      posthog.groupIdentify({ groupType: "company", groupKey: "acme", properties: { seats: 5 }, distinctId: user });
      posthog.alias({ distinctId: user, alias: `former-${user}` });
    }
    await posthog.shutdown(60000);
  },

  async snowplow() {
    const snowplow = require("@snowplow/node-tracker");
    let delivered;
    const done = new Promise((resolve) => (delivered = resolve));
    let sent = 0;
    const expected = scenario === "one" ? 1 : 4;
    const tracker = snowplow.newTracker(
      { namespace: "shop", appId: key, encodeBase64: false },
      {
        endpoint: url,
        bufferSize: 1,
        onRequestSuccess: (batch) => (sent += batch.length) >= expected && delivered(),
      },
    );
    tracker.setUserId(user);
    tracker.setDomainUserId(`duid-${user}`);
    tracker.setSessionId(`sid-${user}`);
    const entity = [{ schema: "iglu:com.acme/cartItem/jsonschema/1-0-2", data: { sku: "espresso-3" } }];
    const when = { type: "ttm", value: WHEN.getTime() };
    const view = { pageUrl: page.url, pageTitle: page.title, referrer: page.referrer };
    if (scenario === "one") {
      tracker.track(snowplow.buildSelfDescribingEvent({ event: { schema: "iglu:com.acme/kept/jsonschema/1-0-0", data: {} } }));
    } else {
      tracker.track(snowplow.buildPageView(view), entity, when);
      tracker.track(snowplow.buildPagePing({ ...view, minYOffset: 10, maxYOffset: 400 }), entity, when);
      tracker.track(snowplow.buildStructEvent({ category: "shop", action: "add", label: "espresso", value: 2 }), entity, when);
      tracker.track(snowplow.buildSelfDescribingEvent({ event: { schema: "iglu:com.acme/order/jsonschema/1-0-0", data: { total: 289.5 } } }), entity, when);
    }
    // What failed is sent again with the next events or flush: a server's process lives on meanwhile.
    const flushing = setInterval(() => tracker.flush(), 300);
    await done;
    clearInterval(flushing);
  },
};

await clients[client]();
