/**
 * The script tag: `window.stitchline`, and an `init` from the tag's own attributes, so that a page needs no inline script.
 *
 *   <script async src="/stitchline.js" data-write-key="..." data-endpoint="..." data-options='{"channel": "web"}'></script>
 *
 * A page that speaks before the script is there says `(window.stitchline ||= []).push(["track", "name"])`.
 */

import { quietly } from "./quietly";

type Said = [string, ...unknown[]];

export function begin(api: object & { init: (endpoint: string, write_key: string, options?: object) => unknown; [name: string]: unknown }): void {
  const page = window as unknown as { stitchline?: any };
  const before = page.stitchline;
  const push = ([name, ...given]: Said): unknown => (api as any)[name](...given);
  page.stitchline = { ...api, push };
  quietly(() => {
    const { dataset, src } = (document.currentScript || {}) as Partial<HTMLScriptElement>;
    const { writeKey, endpoint, options } = dataset || {};
    if (writeKey) api.init(endpoint || new URL(src!).origin, writeKey, JSON.parse(options || "{}"));
    before?.forEach?.(push);
  });
}
