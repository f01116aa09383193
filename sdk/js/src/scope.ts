/** Scopes: one client that speaks for many people. A server's business mostly, so not in the core. */

import type { Consent, Device, IdentifierValue, Page, Who } from "./event";
import { identifierText } from "./identifiers";
import { inMemory, type Memory } from "./memory";
import { speakerOf, type Core, type Speaker } from "./speaker";

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
export const scoped = (prototype: object, core: Core, options: ScopeOptions): Speaker => {
  const { user, email, phone, identifiers, device_id, device, channel, session_id, consent, page } = options;
  const { _losses: losses } = core;
  const memory: Memory = {};
  let other: Device | undefined;
  try {
    memory.identifiers = core._clean({ ...identifiers, user, email, phone });
    other = device_id == null ? device : { ...device, id: identifierText("device_id", device_id) };
  } catch (error) {
    losses._count("invalid", { event: { type: "scope" }, message: `${error}` });
  }
  if (session_id) memory.session_id = session_id;
  if (consent) memory.consent = consent;
  return speakerOf(prototype, core, inMemory(memory), { device: other, channel, page });
};
