/** What an address says: the campaign that led here, and a link token from another device. */

import type { Campaign } from "./event";

const UTM = "utm_source utm_medium utm_campaign utm_term utm_content".split(" ");
const FIELDS = ["source", "medium", "name", "term", "content"] as const;
// The advertising platforms' own click ids, with the source each one names: the collector's table.
const CLICK_IDS = { gclid: "google", gbraid: "google", wbraid: "google", dclid: "google", fbclid: "facebook",
  msclkid: "bing", ttclid: "tiktok", twclid: "twitter", li_fat_id: "linkedin" };

/** Returns the campaign of a query string; undefined without one. */
export function campaignOf(query: string): Campaign | undefined {
  const parameters = new URLSearchParams(query);
  const campaign: Campaign = {};
  UTM.forEach((name, at) => {
    const value = parameters.get(name);
    if (value) campaign[FIELDS[at]!] = value.slice(0, 256);
  });
  for (const [name, source] of Object.entries(CLICK_IDS)) {
    const value = parameters.get(name);
    if (value) return { source, medium: "cpc", ...campaign, click_id: value.slice(0, 512) };
  }
  return Object.keys(campaign).length ? campaign : undefined;
}

/** Takes the link token (`_stl=...`) out of an address: the first counts, all go. */
export function takeToken(url: string): { token: string | null; url: string } {
  const [, before, query, fragment] = /^([^?#]*)\??([^#]*)(.*)$/.exec(url) as unknown as [string, string, string, string];
  const tokens: string[] = [];
  const rest = query.split("&").filter((pair) => !pair.startsWith("_stl=") || !tokens.push(pair.slice(5)));
  if (!tokens.length) return { token: null, url };
  return { token: tokens[0]!, url: `${before}${rest.length ? "?" : ""}${rest.join("&")}${fragment}` };
}
