/** What is remembered from call to call, and in a browser from page to page. */

import type { Consent } from "./event";

/** Also the record in localStorage, so its names stay. */
export interface Memory {
  device?: string;
  session_id?: string | undefined;
  last_ms?: number | undefined;
  campaign?: object | undefined;
  identifiers?: Record<string, string> | undefined;
  consent?: Consent | undefined;
  /** The end of a Retry-After, as a time of day. */
  wait?: number;
}

export interface Keeper {
  _load(): Memory;
  _save(memory: Memory): void;
}

/** Remembers as long as the process. */
export const inMemory = (memory: Memory): Keeper => ({ _load: () => memory, _save: (changed) => void (memory = changed) });

/** Remembers nothing but what it began with: a server speaks for many. */
export const forgetful = (memory: Memory): Keeper => ({ _load: () => ({ ...memory }), _save() {} });
