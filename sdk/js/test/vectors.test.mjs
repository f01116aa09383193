/** Every vector of sdk/spec/vectors that is for a client, on the source's own parts. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mock, test } from "node:test";
import * as parts from "../build/parts.js";

const ENDPOINT = "http://collector.example";
const vectors = (name) =>
  JSON.parse(readFileSync(new URL(`../../spec/vectors/${name}.json`, import.meta.url), "utf8")).cases;

const run = (file, chosen, check) => {
  const cases = vectors(file).filter(chosen);
  assert.ok(cases.length, `${file} has no such case`);
  for (const { name, given, expected } of cases) test(`${file}: ${name}`, () => check(given, expected));
};

/** A client whose events are caught where they would leave, with a clock that is told. */
function caught(options, unsaid = () => false) {
  parts.newId(0); // another device, whose ids do not go on from the last one's
  const events = [];
  let ms = Date.parse("2026-11-22T15:20:00Z");
  const platform = { _alone: (drain) => drain() };
  const keeper = parts.inMemory({ ...(options.consent && { consent: options.consent }) });
  const client = parts.clientOf(
    Object.prototype, ENDPOINT, "key", { ...options, clock: () => ms }, keeper,
    () => platform, { _unsaid: unsaid, _agreed() {}, _page() {}, _device: () => "d-1", _head: () => '{"device":{}}' },
  );
  if (options.device.type == "server") Object.assign(keeper, parts.forgetful(keeper._load()));
  client._core._sender._add = (entry) => events.push(JSON.parse(entry.line)) > 0;
  return { client, events, at: (now) => (ms = now) };
}

const say = (client, { do: what, user, purposes }) =>
  what == "track" ? client.track("x")
  : what == "page" ? client.page()
  : what == "identify" ? client.identify(user)
  : what == "logout" ? client.logout()
  : client.consent(purposes);

for (const [file, hash] of [["normalisation", false], ["hashing", true]]) {
  run(file, (one) => !one.needs, ({ namespace, value }, expected) => {
    const refused = [];
    const who = parts.clean({ [namespace]: value }, (name) => refused.push(name), hash);
    assert.equal(who?.[namespace] ?? null, expected);
    assert.equal(refused.length, expected === null ? 1 : 0);
  });
  if (vectors(file).some((one) => one.needs)) {
    run(file, (one) => one.needs, ({ namespace, value }) => {
      assert.deepEqual(parts.clean({ [namespace]: value }, () => {}, hash), undefined, "refused without a table of countries");
    });
  }
}

run("retry", () => true, ({ status, body, retry_after, attempt, events, keeps, now }, expected) => {
  const outcome = parts.decide(status ?? 0, body == "reply", events, keeps);
  assert.equal(outcome, expected.decision == "drop" ? expected.reason : expected.decision);
  if (outcome != "retry") return;
  const asked = parts.askedMs(retry_after, now ? Date.parse(now) : Date.now());
  for (const drawn of [0, 0.5, 0.999999]) {
    mock.method(Math, "random", () => drawn);
    const { min, max } = expected.delay_s;
    const wait_s = (asked >= 0 ? asked : parts.backoffMs(attempt, 0.5, 30)) / 1000;
    mock.restoreAll();
    assert.ok(Math.abs(wait_s - (min + drawn * (max - min))) < 0.001, `${wait_s} s`);
  }
});

run("sessions", () => true, ({ device_type, calls }, expected) => {
  const { client, events, at } = caught({ device: { type: device_type } });
  const begun = [];
  for (const call of calls) {
    at(call.at_ms);
    assert.equal(say(client, call), true);
    const { session_id, identifiers } = events.at(-1);
    if (session_id && !begun.includes(session_id)) {
      begun.push(session_id);
      assert.equal(parseInt(session_id.replace("-", "").slice(0, 12), 16), call.at_ms);
    }
  }
  const said = events.map((event) => ({
    session: event.session_id ? begun.indexOf(event.session_id) : null,
    user: event.identifiers?.user ?? null,
  }));
  assert.deepEqual(said, expected);
});

for (const [by, unsaid] of [["client", undefined], ["opt_in client", (consent) => !consent?.analytics]]) {
  run("consent", (one) => one.by == by, ({ device_type, consent, calls }, expected) => {
    const { client, events } = caught({ device: { type: device_type }, ...(consent && { consent }) }, unsaid);
    calls.forEach((call) => say(client, call));
    assert.deepEqual(events.map((event) => event.consent ?? null), expected);
  });
}

for (const { name, given, expected } of vectors("clock").filter((one) => one.by == "client")) {
  test(`clock: ${name}`, async (context) => {
    const sent = [];
    context.mock.method(globalThis, "fetch", async (_, { body }) => {
      sent.push(JSON.parse(body));
      return { status: 200, headers: new Headers(), text: async () => '{"accepted":1,"rejected":[]}' };
    });
    parts.newId(0);
    let ms = given.at_ms;
    const client = parts.clientOf(
      Object.prototype, ENDPOINT, "key", { clock: () => ms }, parts.inMemory({}),
      () => ({ _alone: (drain) => drain() }), { _unsaid: () => false, _agreed() {}, _page() {}, _device: () => "d-1", _head: () => '{"device":{}}' },
    );
    client.track("x");
    ms = given.sent_at_ms;
    assert.equal(await client.close(), true);
    const { sent_at, events } = sent[0];
    assert.equal(events[0].occurred_at, expected.occurred_at);
    assert.ok(events[0].event_id.replaceAll("-", "").startsWith(expected.event_id_begins));
    assert.equal(sent_at, expected.sent_at);
  });
}

run("clock", (one) => one.by == "client ids", ({ at_ms }, expected) => {
  parts.newId(0);
  const ids = at_ms.map(parts.newId);
  assert.equal(ids.every((id, at) => !at || id > ids[at - 1]), expected.rise);
  assert.equal(new Set(ids).size, ids.length);
});

for (const { name, given, expected } of vectors("batching")) {
  test(`batching: ${name}`, async (context) => {
    // Node's own timers, told; the answers come at once.
    context.mock.timers.enable({ apis: ["setTimeout", "Date"], now: 0 });
    context.mock.method(performance, "now", () => Date.now());
    const sent = [];
    context.mock.method(globalThis, "fetch", async (_, { body }) => {
      sent.push({ events: JSON.parse(body).events.map(({ n }) => n), at_ms: Date.now() });
      return { status: 200, headers: new Headers(), text: async () => '{"accepted":1,"rejected":[]}' };
    });
    const settings = {
      max_batch_events: given.max_batch_events, max_batch_bytes: given.max_batch_bytes,
      flush_interval_s: given.flush_interval_ms / 1000, gzip: false,
    };
    const sender = parts.senderOf(ENDPOINT, "key", settings, parts.lossesOf({}), parts.inMemory({}), { _alone: (drain) => drain() });
    const until = async (now) => {
      for (;;) {
        for (let turn = 0; turn < 30; turn++) await Promise.resolve();
        await new Promise((resolve) => setImmediate(resolve));
        if (Date.now() >= now) return;
        context.mock.timers.tick(1);
      }
    };
    for (const [n, { at_ms, bytes }] of given.events.entries()) {
      await until(at_ms);
      sender._add({ id: `id-${n}`, head: '{"device":{}}', line: `{"n":${n}}`, bytes });
    }
    if (given.flush_at_ms) {
      await until(given.flush_at_ms);
      void sender._flush(1);
    }
    await until((expected.at(-1).latest_ms) + 1);
    assert.deepEqual(sent.map(({ events }) => events), expected.map(({ events }) => events));
    sent.forEach(({ at_ms }, at) => assert.ok(at_ms <= expected[at].latest_ms + 1, `${at_ms} ms`));
  });
}

const decoded = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString());

run("link_tokens", (one) => one.do == "sign", ({ payload, key }, expected) => {
  assert.equal(parts.signed(payload, key), expected);
});
run("link_tokens", (one) => one.do == "make", ({ linked, via, life_s, key, now_s }, expected) => {
  const token = parts.make_link_token(linked, key, { via, life_s, now_s });
  assert.deepEqual(token ? decoded(token) : null, expected);
});
run("link_tokens", (one) => one.do == "check", ({ token, key, now_s, own_device }, expected) => {
  assert.deepEqual(parts.read_link_token(token, key, { own_device, now_s }) ?? null, expected);
});
run("link_tokens", (one) => one.do == "take", ({ url }, expected) => {
  assert.deepEqual(parts.take_link_token(url), expected);
});
