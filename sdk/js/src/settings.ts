/** Every setting: one typed table with its defaults and checks. Nothing is accepted and ignored. */

import type { Consent, Device, Drop, Identifiers } from "./event";

export interface Options {
  /** Where events happen, e.g. `web`, or a word of your own; the collector derives it when left out. */
  channel?: string;
  /** This device; what is missing is filled in from the browser or the system. */
  device?: Device;
  /** Version of your app. */
  app_version?: string;
  /** Who uses the device, where that is known from the start. */
  identifiers?: Identifiers;
  /** What they allow, e.g. `{analytics: true}`. */
  consent?: Consent;
  /** Seconds of silence that end a session; 1800, or 120 on a kiosk, atm or pos. */
  session_timeout_s?: number;
  /** Seconds an event waits at most for others to travel with; 1. */
  flush_interval_s?: number;
  /** Events in one request, below 1000; 500. */
  max_batch_events?: number;
  /** Bytes of events in one request, before gzip; 1 MiB. */
  max_batch_bytes?: number;
  /** Events in memory; beyond, new ones are dropped and counted. 10,000. */
  max_queue_events?: number;
  /** Their bytes, and those that may wait on disk; 8 MiB. */
  max_queue_bytes?: number;
  /** Seconds for one request, from connecting to the last byte of the answer; 10. */
  timeout_s?: number;
  /** The longest wait after a first failure, seconds, doubled with each further one; 0.5. */
  backoff_s?: number;
  /** The longest wait between attempts, seconds; 30. A `Retry-After` is kept, up to 300 s. */
  max_backoff_s?: number;
  /** Compress requests of 1 KiB and more; true. */
  gzip?: boolean;
  /** Write what is lost, and why, to the console; false. */
  debug?: boolean;
  /** Send e-mails and phone numbers as SHA-256 only; true. False leaves hashing to the collector. */
  hash_contacts?: boolean;
  /** Called with every lost event; its errors are swallowed. */
  on_drop?: (drop: Drop) => void;
  /** Returns now, milliseconds since 1970. */
  clock?: () => number;
}

/** A setting, named by the message, is wrong, so that nothing could ever be delivered: javascript.md says what it must be. */
export class ConfigurationError extends Error {}

/**
 * Returns where events go.
 * @throws ConfigurationError it is no address of a collector
 */
export const urlOf = (endpoint: string, write_key: string): string => {
  if (!write_key || !/^https?:\/\/[^?#@]+$/.test(endpoint)) throw new ConfigurationError(write_key ? "endpoint" : "write_key");
  return `${endpoint.replace(/\/+$|(\/v1\/events)\/*$/g, "")}/v1/events`;
};
