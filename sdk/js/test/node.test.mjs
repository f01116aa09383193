/** The Node entry as it is published, against a real HTTP server that answers what the test says. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { Client } from "../dist/node.js";

const OK = { status: 200, body: '{"accepted":1,"rejected":[]}' };
const QUICK = { flush_interval_s: 0.01, backoff_s: 0.01, max_backoff_s: 0.02, timeout_s: 0.5 };

/** A server that gives the answers in turn, the last one for ever. */
async function collector(context, ...answers) {
  const requests = [];
  const server = createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    const raw = Buffer.concat(parts);
    const text = (request.headers["content-encoding"] == "gzip" ? gunzipSync(raw) : raw).toString();
    requests.push({ headers: request.headers, url: request.url, text, batch: JSON.parse(text) });
    const answer = answers.length > 1 ? answers.shift() : answers[0] || OK;
    if (answer.silent) return;
    if (answer.cut) return request.socket.destroy();
    response.writeHead(answer.status, answer.headers).end(answer.body ?? "");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${server.address().port}`, requests, events: () => requests.flatMap(({ batch }) => batch.events) };
}

const names = (events) => events.map(({ name, type }) => name || type);

test("an event arrives with who, where, when and at which stage", async (context) => {
  const { url, requests } = await collector(context);
  const client = new Client(`${url}/`, "w-1", { ...QUICK, channel: "atm", device: { type: "atm", model: "DN200" }, app_version: "7" });
  assert.equal(client.identify(42, { email: " Alice@Example.org " }), true);
  assert.equal(client.track("offer_accepted", { offer: "gold", price: NaN }, { stage: "purchase" }), true);
  assert.equal(await client.close(), true);
  const { headers, batch } = requests[0];
  assert.equal(requests[0].url, "/v1/events");
  assert.equal(headers.authorization, "Bearer w-1");
  assert.deepEqual(batch.sdk, { name: "stitchline-js", version: "0.1.0" });
  assert.equal(batch.channel, "atm");
  assert.equal(batch.device.model, "DN200");
  assert.equal(batch.device.app_version, "7");
  const [identify, track] = batch.events;
  assert.equal(identify.type, "identify");
  assert.deepEqual(track.identifiers, {
    email: "7a64adf28737ea90719cbdf0b1a87a5effff3753b79c91d717f4f4153ead0498", user: "42",
  });
  assert.equal(track.stage, "purchase");
  assert.deepEqual(track.properties, { offer: "gold", price: null });
  assert.deepEqual([identify.seq, track.seq], [1, 2]);
  assert.equal(track.session_id, identify.session_id);
  assert.ok(track.event_id > identify.event_id);
});

test("a retry carries the same bytes and a new sent_at, and waits as long as it was asked to", async (context) => {
  const busy = { status: 503, headers: { "Retry-After": "1" } };
  const { url, requests } = await collector(context, busy, { cut: true }, { silent: true }, { status: 302, headers: { Location: "/" } }, { status: 200, body: "<html>" }, OK);
  const client = new Client(url, "w", QUICK);
  client.track("once", { n: 1 });
  const begun = performance.now();
  assert.equal(await client.flush(0.2), false, "not before the end of Retry-After");
  assert.equal(await client.flush(20), true);
  assert.ok(performance.now() - begun > 950);
  const bodies = requests.map(({ text }) => text.slice(text.indexOf('"events"')));
  assert.equal(requests.length, 6);
  assert.equal(new Set(bodies).size, 1);
  assert.ok(requests.at(-1).batch.sent_at > requests[0].batch.sent_at);
  await client.close();
});

test("what is too large goes in halves, and a single one is counted", async (context) => {
  const { url, requests, events } = await collector(context, { status: 413 }, { status: 413 }, { status: 413 }, OK);
  const dropped = [];
  const client = new Client(url, "w", { ...QUICK, on_drop: (drop) => dropped.push(drop) });
  for (const n of [0, 1, 2, 3]) client.track(`e${n}`);
  assert.equal(await client.close(), true);
  assert.deepEqual(requests.map(({ batch }) => batch.events.length).slice(0, 3), [4, 2, 1]);
  assert.deepEqual(dropped.map(({ reason, event }) => [reason, event.name]), [["too_large", "e0"]]);
  assert.deepEqual(new Set(names(events().slice(7))), new Set(["e1", "e2", "e3", "stitchline_loss"]));
});

test("losses are counted by reason and reported once", async (context) => {
  const rejected = { status: 200, body: '{"accepted":1,"rejected":[{"index":1,"reason":"bad","path":"$.x"}]}' };
  const { url, events } = await collector(context, rejected, { cut: true }, OK);
  const drops = [];
  const client = new Client(url, "w", {
    ...QUICK, max_queue_events: 2, on_drop: (drop) => { drops.push([drop.reason, drop.path]); throw new Error("of the host"); },
  });
  assert.deepEqual([client.track("a"), client.track("b"), client.track("c")], [true, true, false]);
  await client.flush();
  const round = {};
  round.round = round;
  assert.equal(client.track("d", round), false);
  assert.equal(client.track(""), false);
  assert.equal(client.track("d", {}, { stagee: "purchase" }), false);
  assert.equal(client.track("d", { text: "x".repeat(70_000) }), false);
  assert.equal(client.identify("null"), false);
  assert.equal(client.track("d", {}, { user: "undefined" }), true);
  await client.flush();
  client.track("e");
  await client.close();
  assert.equal(client.track("f"), false);
  assert.deepEqual(client.losses, {
    queue_full: 1, rejected: 1, invalid: 4, too_large: 1, identifier_refused: 2, closed: 1,
  });
  assert.deepEqual(drops[1], ["rejected", "$.x"]);
  const [first, second, again, ...more] = events().filter(({ name }) => name == "stitchline_loss");
  assert.deepEqual(first.properties, { queue_full: 1 });
  assert.deepEqual(second.properties, { rejected: 1, invalid: 4, too_large: 1, identifier_refused: 2 });
  assert.deepEqual(again, second, "the same report on both attempts");
  assert.deepEqual(more, []);
});

test("what is nested too deeply is counted", async (context) => {
  const { url } = await collector(context);
  const client = new Client(url, "w", QUICK);
  const nested = (levels) => (levels > 1 ? { n: nested(levels - 1) } : {});
  assert.deepEqual([client.track("x", nested(32)), client.track("x", nested(33))], [true, false]);
  await client.close();
  assert.deepEqual(client.losses, { too_large: 1 });
});

test("a wrong key drops what is only in memory", async (context) => {
  const { url } = await collector(context, { status: 401 });
  const client = new Client(url, "w", QUICK);
  client.track("x");
  assert.equal(await client.flush(), true);
  assert.deepEqual(client.losses, { unauthorized: 1 });
  await client.close();
});

test("a scope speaks for one person, also over what it awaits, and leaves others alone", async (context) => {
  const { url, events } = await collector(context);
  const client = new Client(url, "w", { ...QUICK, channel: "web" });
  const visit = (user, device_id) =>
    client.scope({ user, device_id, session_id: `s-${user}`, consent: { analytics: true } }).run(async () => {
      client.track(`first-${user}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
      client.track(`second-${user}`);
    });
  await Promise.all([visit("ada", "d-1"), visit("bob", "d-2")]);
  client.track("of the server");
  const other = new Client(url, "w2", QUICK);
  client.scope({ user: "eve" }).run(() => other.track("of another client"));
  await other.close();
  await client.close();
  const said = Object.fromEntries(events().map((event) => [event.name, event]));
  assert.deepEqual(said["second-ada"].identifiers, { user: "ada" });
  assert.deepEqual(said["second-ada"].device, { id: "d-1" });
  assert.deepEqual(said["second-ada"].consent, { analytics: true });
  assert.equal(said["second-bob"].session_id, "s-bob");
  assert.equal(said["second-bob"].seq, undefined, "another device's counter is not known here");
  assert.equal(said["of the server"].identifiers, undefined);
  assert.equal(said["of another client"].identifiers, undefined);
});

test("a scope remembers an identify until its logout; a server's client remembers nobody", async (context) => {
  const { url, events } = await collector(context);
  const client = new Client(url, "w", QUICK);
  const scope = client.scope({ session_id: "s-1" });
  scope.identify("ada");
  scope.logout();
  scope.track("after");
  client.identify("bob");
  client.track("nobody's");
  client.link({ device: "d-1" }, { user: "ada", properties: { via: "qr" } });
  client.consent({ analytics: false });
  await client.close();
  const [identify, logout, after, bob, nobodys, link, consent] = events();
  assert.deepEqual([identify, logout, after, bob, nobodys].map(({ identifiers }) => identifiers?.user), ["ada", "ada", undefined, "bob", undefined]);
  assert.deepEqual([identify, logout].map(({ session_id }) => session_id), ["s-1", "s-1"]);
  assert.ok(after.session_id && after.session_id != "s-1");
  assert.deepEqual([link.linked, link.identifiers, link.properties], [{ device: "d-1" }, { user: "ada" }, { via: "qr" }]);
  assert.deepEqual(consent.consent, { analytics: false });
});

test("large batches travel compressed; half an emoji becomes U+FFFD", async (context) => {
  const { url, requests, events } = await collector(context);
  const client = new Client(url, "w", QUICK);
  client.track("x", { text: "y".repeat(2000), cut: "\u{1F600}".slice(0, 1), path: "C:\\ud83d" });
  await client.close();
  assert.equal(requests[0].headers["content-encoding"], "gzip");
  assert.equal(events()[0].properties.cut, "\ufffd");
  assert.equal(events()[0].properties.path, "C:\\ud83d");
});

test("a setting that could never work is refused", () => {
  assert.throws(() => new Client("collect.example", "w"), /endpoint/);
  assert.throws(() => new Client("https://collect.example", ""), /write_key/);
  assert.throws(() => new Client("https://collect.example", "w", { flush_interval_s: 0 }), /flush_interval_s/);
});

for (const [how, script] of [
  ["when it has nothing more to do", ""],
  ["on SIGTERM", 'setInterval(() => {}, 1000); process.kill(process.pid, "SIGTERM");'],
]) {
  test(`a process is drained ${how}`, async (context) => {
    const { url, events } = await collector(context);
    const entry = new URL("../dist/node.js", import.meta.url);
    const source = `import { init, track } from "${entry}"; init("${url}", "w", { flush_interval_s: 60 }); track("last"); ${script}`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", source], { stdio: "inherit" });
    const [code, signal] = await once(child, "exit");
    assert.deepEqual([code, signal], script ? [null, "SIGTERM"] : [0, null]);
    assert.deepEqual(names(events()), ["last"]);
  });
}
