/** What the core leaves to parts that a small page does without: each puts itself here when it is imported. */

import type { Linked } from "./links";

export const added: {
  /** Returns the hash of a contact, or the contact itself where `hash` is false; undefined where it names nobody. */
  contact?: (namespace: string, text: string, hash: boolean) => string | undefined;
  /** Reads a link token. */
  token?: (token: string, key: string, options: { own_device?: string }) => Linked | undefined;
} = {};
