/**
 * The script tag: `window.stitchline`, and an `init` from the tag's own attributes, so that a page needs no inline script.
 *
 *   <script async src="/stitchline.js" data-write-key="..." data-endpoint="..." data-options='{"channel": "web"}'></script>
 *
 * A page that speaks before the script is there says `(window.stitchline ||= []).push(["track", "name"])`.
 */

type Said = [string, ...unknown[]];

export function begin(api: object): void {
  const page = window as unknown as { stitchline?: unknown };
  const before = page.stitchline;
  const push = ([name, ...given]: Said): unknown => (api as any)[name](...given);
  page.stitchline = { ...api, push };
  try {
    const tag = document.currentScript as HTMLScriptElement | null;
    const { writeKey, endpoint, options } = tag?.dataset || {};
    if (writeKey) push(["init", endpoint || new URL(tag!.src).origin, writeKey, JSON.parse(options || "{}")]);
    if (Array.isArray(before)) before.forEach(push);
  } catch (error) {
    console.warn("stitchline:", error);
  }
}
