/** The checks of values, which the core leaves to types and to the collector: what each must be stands in javascript.md. */

import type { EventType, Properties, Tags } from "./event";
import { demand, identifierText } from "./identifiers";
import { ConfigurationError, type Options } from "./settings";

/** Levels of nesting in `properties`. */
const MAX_DEPTH = 32;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Returns the texts that are there, of the fields that are allowed. */
const texts = (given: object, allowed: RegExp): Record<string, string> => {
  const kept: Record<string, string> = {};
  for (const [field, value] of Object.entries(given)) {
    if (value == null) continue;
    demand(allowed.test(field) && typeof value == "string", field);
    kept[field] = value;
  }
  return kept;
};

const NUMBERS = /_(s|events|bytes)$/;

/** @throws ConfigurationError a number could never work */
export const checkSettings = (options: Options): void => {
  for (const [name, value] of Object.entries(options))
    if (NUMBERS.test(name) && value !== undefined && !(value > 0 && value <= 2 ** 31)) throw new ConfigurationError(name);
};

/** Says whether a value that was encoded, so has no circle, is nested deeper. */
const deeper = (value: unknown, levels: number): boolean =>
  !!value && typeof value == "object" && (!levels || Object.values(value).some((inner) => deeper(inner, levels - 1)));

export const tooDeep = (properties: unknown): boolean => deeper(properties, MAX_DEPTH);

/** Checks a call's values, and returns the tags without what is not known. */
export const checked = (type: EventType, name: string | undefined, properties: Properties | undefined, tags: Tags): Tags => {
  const { user, email, phone, identifiers, device_id, device, page, campaign, occurred_at, event_id, ...rest } = tags;
  demand(name == null ? !/track|screen/.test(type) : name && typeof name == "string", "name");
  demand(!properties || (typeof properties == "object" && !Array.isArray(properties)), "properties");
  demand(!event_id || UUID.test(event_id), "event_id");
  const known = texts(rest, /^(channel|stage|session_id)$/);
  for (const field in known) demand(known[field], field);
  return {
    ...known, user, email, phone, identifiers, occurred_at, event_id,
    device, device_id: device_id == null ? undefined : identifierText("device_id", device_id),
    page: page && texts(page, /^(url|title|referrer)$/),
    campaign: campaign && texts(campaign, /^(source|medium|name|term|content|click_id)$/),
  };
};
