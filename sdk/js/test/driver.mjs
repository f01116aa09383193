/** The driver of the conformance kit for the Node entry: `stitchline conformance serve --driver "node sdk/js/test/driver.mjs"`. */

import { createInterface } from "node:readline";
import { Client } from "../dist/node.js";

const instances = new Map();
let offset_ms = 0;

const commands = {
  hello: () => ({ sdk: { name: "stitchline-js", version: "0.1.0" }, can: ["memory", "kill", "clock", "bound"] }),
  init({ instance, endpoint, write_key, device, channel, settings }) {
    const clock = () => Date.now() + offset_ms;
    const timeout_s = Math.max(settings.timeout_s, 4); // a hint, and on a busy machine a second is short
    instances.set(instance, new Client(endpoint, write_key, { device, channel, ...settings, timeout_s, clock, drain_on_sigterm: false }));
  },
  track: ({ name, properties }, client) => void client.track(name, properties),
  screen: ({ name, properties }, client) => void client.screen(name, properties),
  page: ({ name, properties }, client) => void client.page(name, properties),
  burst({ name, count }, client) {
    for (let n = 0; n < count; n++) client.track(`${name}-${n}`);
  },
  identify: ({ user, email, phone, identifiers }, client) => void client.identify(user, { email, phone, identifiers }),
  link: ({ linked }, client) => void client.link(linked),
  logout: (_, client) => void client.logout(),
  consent: ({ purposes }, client) => void client.consent(purposes),
  clock: (command) => void (offset_ms = command.offset_ms),
  kill: () => process.kill(process.pid, "SIGKILL"),
  flush: async ({ timeout_s }, client) => ({ delivered: await client.flush(timeout_s) }),
  async close({ instance, timeout_s }, client) {
    await client.close(timeout_s);
    instances.delete(instance);
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  let answer;
  try {
    answer = { ok: true, ...(await commands[command.do](command, instances.get(command.instance))) };
  } catch (error) {
    answer = { ok: false, error: `${error}` };
  }
  process.stdout.write(`${JSON.stringify({ id: command.id, ...answer })}\n`);
}
process.exit();
