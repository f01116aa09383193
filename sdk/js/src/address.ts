/** What an address says: the campaign that led here, and a link token from another device. */

import type { Campaign } from "./event";
import { nonEmpty } from "./identifiers";

// The advertising platforms' own click ids, with the source each one names: the collector's table.
const CLICK_IDS = { gclid: "google", gbraid: "google", wbraid: "google", dclid: "google", fbclid: "facebook",
  msclkid: "bing", ttclid: "tiktok", twclid: "twitter", li_fat_id: "linkedin" };

/** Returns the campaign of a query string; undefined without one. */
export const campaignOf = (query: string): Campaign | undefined => {
  const parameters = new URLSearchParams(query);
  const campaign: Campaign = {};
  const take = (parameter: string, field: string, most: number): unknown => {
    const value = parameters.get(parameter);
    return value && (campaign[field as keyof Campaign] = value.slice(0, most));
  };
  for (const field of ["source", "medium", "campaign", "term", "content"]) take(`utm_${field}`, field == "campaign" ? "name" : field, 256);
  for (const id in CLICK_IDS)
    if (take(id, "click_id", 512)) return { source: CLICK_IDS[id as keyof typeof CLICK_IDS], medium: "cpc", ...campaign };
  return nonEmpty(campaign);
};

/** Returns an address without link tokens (`_stl=...`), which would spread with it. */
export const withoutToken = (url: string): string =>
  url.replace(/(?<=[?&])(_stl=[^&#]*&)+|[?&](_stl=[^&#]*&?)+(?=#|$)/g, "");
