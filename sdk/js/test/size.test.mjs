/**
 * What a browser loads, gzip at level 9, and beside it what other products publish on npm, measured in the same way where
 * `.tools` has them. On 2026-11-25: Snowplow 17,423 bytes, Segment 31,322 (and its settings, loaded later), RudderStack 72,898,
 * PostHog 122,168. Plausible's script is not on npm and was not measured.
 *
 * The core has at most 5,120 bytes; what is larger holds what was reached, so that it only goes down.
 */

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

const MAX_BYTES = { "stitchline.core.js": 5_120, "core.js": 5_120, "stitchline.js": 7_600, "browser.js": 7_600 };
const tools = ["../node_modules/terser", "../../../.tools/node_modules/terser"];
const skip = !tools.some((folder) => existsSync(new URL(folder, import.meta.url))) && "built without terser";
const OTHERS = {
  Snowplow: "@snowplow/browser-tracker/dist/index.umd.min.js",
  Segment: "@segment/analytics-next/dist/umd/standalone.js",
  RudderStack: "@rudderstack/analytics-js/dist/npm/modern/umd/index.js",
  PostHog: "posthog-js/dist/array.js",
};
const compressed = (file) => gzipSync(readFileSync(file), { level: 9 }).length;
const dist = (file) => new URL(`../dist/${file}`, import.meta.url);
const sizes = JSON.parse(readFileSync(new URL("../build/sizes.json", import.meta.url), "utf8"));

for (const [file, most] of Object.entries(MAX_BYTES)) {
  test(`${file} does not grow`, { skip }, (context) => {
    const bytes = compressed(dist(file));
    context.diagnostic(`${file}: ${readFileSync(dist(file)).length} bytes, ${bytes} after gzip`);
    const parts = Object.entries(sizes[`dist/${file}`].inputs).sort(([, one], [, other]) => other.bytesInOutput - one.bytesInOutput);
    for (const [part, { bytesInOutput }] of parts) context.diagnostic(`  ${part}: ${bytesInOutput} before gzip`);
    assert.ok(bytes <= most, `${bytes} bytes`);
  });
}

for (const [product, path] of Object.entries(OTHERS)) {
  const file = new URL(`../../../.tools/node_modules/${path}`, import.meta.url);
  test(`the whole script is smaller than ${product}'s`, { skip: !existsSync(file) && "not in .tools" }, (context) => {
    context.diagnostic(`${product}: ${compressed(file)} after gzip`);
    assert.ok(compressed(dist("stitchline.js")) < compressed(file));
  });
}
