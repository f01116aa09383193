/** Scopes: one client that speaks for many people. A server's business mostly, so not in the core. */

import { inMemory } from "./client";
import type { Consent, Device, IdentifierValue, Page, Who } from "./event";
import { clean, identifierText } from "./identifiers";
import type { Core, Memory, Speaker } from "./speaker";

/** One person on one device, where a process speaks for many. */
export interface ScopeOptions extends Who {
  device_id?: IdentifierValue;
  device?: Device;
  channel?: string;
  session_id?: string;
  consent?: Consent;
  page?: Page;
}

/** Makes a speaker for one person on one device. A wrong value is counted and left out. */
export function scoped<S extends Speaker>(core: Core, options: ScopeOptions, Kind: new (...args: any[]) => S): S {
  const { user, email, phone, identifiers, device_id, device, channel, session_id, consent, page } = options;
  const { hash, losses } = core;
  const memory: Memory = {};
  let other: Device | undefined;
  try {
    memory.identifiers = clean({ ...identifiers, user, email, phone }, hash, () => losses.count("identifier_refused"));
    other = device_id == null ? device : { ...device, id: identifierText("device_id", device_id) };
  } catch (error) {
    losses.count("invalid", { type: "scope" }, `${error}`);
  }
  if (session_id) memory.session_id = session_id;
  if (consent) memory.consent = consent;
  return new Kind(core, inMemory(memory), { device: other, channel, page });
}
