/**
 * The sender: takes events, delivers them in order, and counts what cannot be.
 *
 * An event stays in memory, and on disk where there is one, until a collector's 200, or until it was counted as lost. Events
 * keep their bytes over all attempts; only `sent_at` is new.
 */

import type { Drop } from "./event";
import { packed } from "./gzip";
import type { Losses } from "./losses";
import type { Keeper } from "./memory";
import { askedMs, backoffMs, decide, MAX_RETRY_AFTER_MS } from "./retry";
import type { Options } from "./settings";

/** One event, encoded; also a record on disk, so its names stay. */
export interface Entry {
  id: string;
  /** The batch it travels in, as JSON without `sent_at` and events: sdk, device, channel. Events of two heads never share a batch. */
  head: string;
  line: string;
  bytes: number;
  /** Its key on disk. A number is also its `seq`; an event that has none, or left before it got one, has its id. */
  n?: number | string;
  /** The bytes that were written to the disk before it. */
  start?: number;
  saved?: boolean;
}

/** What outlives the page. None of its promises rejects. */
export interface Disk {
  /** Saves an entry, and marks it when it is on disk. */
  _save(entry: Entry): void;
  /** Returns the oldest entries of all tabs; undefined when the disk does not work. */
  _take(most: number): Promise<Entry[] | undefined>;
  _remove(entries: Entry[]): Promise<void>;
  /** Removes the database itself; the next entry makes another. */
  _erase(): void;
}

/** What differs between a page and a server. */
export interface Platform {
  /**
   * @param max_bytes that may wait, of all tabs together
   * @param dropped takes an event that had to make room
   */
  _disk?: (max_bytes: number, dropped: (entry: Entry) => void) => Disk;
  /** Runs when no other tab is sending; `drain` says whether nothing is left. */
  _alone(drain: () => Promise<boolean | void>, pending: number, disk: Disk): Promise<void>;
}

export interface Sender {
  /** Takes an event; false when there is no room. */
  _add(entry: Entry): boolean;
  /** Tries again now: the network is back, somebody waits, the page is hidden. Never before the end of a Retry-After. */
  _hurry(): void;
  /** Sends what is in memory at once: the page is leaving, and nobody will hear the answer. */
  _leave(): void;
  /** Not 0 once it is closed. */
  _closed(): number;
  /** The events that are neither delivered nor lost, by id. */
  _mine: Map<string, Entry>;
  /** Waits until everything queued so far is delivered or counted as lost; false when the time was over first. */
  _flush(timeout_s: number): Promise<boolean>;
  /** Takes nothing more, and gives up what is only in memory when the time is over. */
  _close(timeout_s: number): Promise<boolean>;
}

const MIN_GZIP_CHARACTERS = 1024; // below this gzip saves less than a packet
// Browsers allow 64 KiB of keepalive bodies at a time, beacons included: a quarter is for usual requests, at up to three bytes a character.
const MAX_KEEPALIVE_CHARACTERS = 5333;
const MAX_LAST_BYTES = 48_000;
const POLL_MS = 20;

/** Milliseconds of a clock that nobody sets: all waits and limits are its own. */
const now = (): number => performance.now();

/** Returns the oldest entries that travel together: at least one, all of one head. */
const cut = (entries: Entry[], most: number, most_bytes: number): Entry[] => {
  let bytes = 0;
  return entries.filter((entry, at) => ((bytes += entry.bytes) <= most_bytes && at < most && entry.head == entries[0]!.head) || !at);
};

/** @param url of the collector's `/v1/events` */
export const senderOf = (url: string, write_key: string, options: Options, losses: Losses, keeper: Keeper, platform: Platform): Sender => {
  // The core has the defaults only.
  const flush_interval_ms = ((WHOLE && options.flush_interval_s) || 1) * 1000;
  const max_batch_events = (WHOLE && Math.min(options.max_batch_events || 500, 999)) || 500; // one more is the report of losses
  const max_batch_bytes = (WHOLE && Math.min(options.max_batch_bytes || 2 ** 20, 5_000_000)) || 2 ** 20;
  const max_queue_events = (WHOLE && options.max_queue_events) || 10_000;
  const max_queue_bytes = (WHOLE && options.max_queue_bytes) || 2 ** 23;
  const timeout_ms = ((WHOLE && options.timeout_s) || 10) * 1000;
  const backoff_s = (WHOLE && options.backoff_s) || 0.5;
  const max_backoff_s = (WHOLE && options.max_backoff_s) || 30;
  const clock = (WHOLE && options.clock) || Date.now;
  /** What this page or process said, by id. */
  const mine = new Map<string, Entry>();
  let bytes = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let running = false;
  let failures = 0;
  let not_before = 0;
  let forbidden_until = 0;
  let most = max_batch_events;
  /** Ends the request that is on its way. */
  let stop: AbortController | undefined;
  /** 1: takes nothing more. 2: sends nothing more. */
  let closed = 0;

  const forget = ({ id, bytes: size }: Entry): void => {
    if (mine.delete(id)) bytes -= size;
  };

  const lose = (reason: string, entry: Entry, why?: Partial<Drop>): void => {
    losses._count(reason, ...(WHOLE ? [{ ...why, event: JSON.parse(entry.line) }] : []));
    forget(entry);
  };

  const disk = platform._disk?.(max_queue_bytes, (entry) => lose("offline_full", entry));

  /** A timer must not keep a Node process alive: what is left is drained before it exits. */
  const after = (ms: number, run: () => void): typeof timer => {
    const made = setTimeout(run, ms);
    if (WHOLE) (made as { unref?: () => void }).unref?.();
    return made;
  };

  /** Runs after so many milliseconds, or when it was to run anyhow; with 0 at once. */
  const wake = (delay_ms: number): void => {
    if (timer && delay_ms) return;
    clearTimeout(timer);
    timer = after(delay_ms, run);
  };

  const run = async (): Promise<void> => {
    timer = undefined; // also where it came while a run was on its way, which ends with another
    if (running || closed > 1) return;
    running = true;
    try {
      await platform._alone(drain, mine.size, disk!);
    } catch {
      fail();
    }
    running = false;
    // What came while the last look was on its way.
    if (mine.size) wake(flush_interval_ms);
  };

  /** Returns how long to wait: for a backoff, and for a Retry-After of this tab or, by the time of day, of another. */
  const wait = (): number => {
    const told = keeper._load().wait! - Date.now();
    return Math.max(not_before - now(), forbidden_until - now(), told <= MAX_RETRY_AFTER_MS ? told : 0); // else somebody set the clock
  };

  const fail = (): void => {
    not_before = now() + backoffMs(++failures, backoff_s, max_backoff_s);
  };

  /** Sends until nothing is left (true) or it has to wait. */
  const drain = async (): Promise<boolean | void> => {
    for (;;) {
      const wait_ms = wait();
      if (wait_ms > 0) return wake(wait_ms);
      const before = [...mine.values()];
      const stored = await disk?._take(max_batch_events);
      // What was saved and is there no more another tab has delivered; what else is left could not be saved.
      const waiting = stored?.[0]
        ? stored
        : before.filter((entry) => (stored && entry.saved ? forget(entry) : mine.has(entry.id)));
      if (!waiting[0]) return !mine.size;
      await bring(cut(waiting, most, max_batch_bytes), !!stored);
    }
  };

  const body = (batch: Entry[], report: string[] = []): string => {
    const lines = batch.map((entry) => {
      const n = (entry.n ??= entry.id);
      return (n as number) > 0 ? `${entry.line.slice(0, -1)},"seq":${n}}` : entry.line;
    });
    const sent_at = new Date(clock()).toISOString();
    return `${batch[0]!.head.slice(0, -1)},"sent_at":"${sent_at}","events":[${[...lines, ...report]}]}`;
  };

  /** Tries once, and does with the batch what the answer says. */
  const bring = async (batch: Entry[], keeps: boolean): Promise<void> => {
    const report = losses._report(clock());
    const text = body(batch, report);
    const headers: Record<string, string> = { Authorization: `Bearer ${write_key}`, "Content-Type": "application/json" };
    let status = 0;
    let text_or_error: string | undefined;
    let reply: { accepted: number; rejected?: { index: number; reason?: string; path?: string }[] } | undefined;
    let asked: number | undefined;
    stop = new AbortController();
    after(timeout_ms, stop.abort.bind(stop));
    try {
      const small = WHOLE && options.gzip != false && text.length >= MIN_GZIP_CHARACTERS && (await packed(text));
      if (small) headers["Content-Encoding"] = "gzip";
      // A redirect is no acknowledgement, and must not be followed. Cookies are nobody's business here.
      const response = await fetch(url, {
        method: "POST", redirect: "manual", credentials: "omit", signal: stop.signal, headers, body: small || text,
        keepalive: text.length < MAX_KEEPALIVE_CHARACTERS,
      });
      text_or_error = await response.text();
      status = response.status;
      asked = askedMs(response.headers.get("Retry-After"), Date.now());
      reply = JSON.parse(text_or_error);
    } catch (error) {
      if (WHOLE) text_or_error ||= `${error}`;
    }
    const outcome = decide(status, reply?.accepted! >= 0, batch.length, keeps);
    if (outcome == "split") most = batch.length >> 1;
    else if (outcome == "retry") {
      if (asked! >= 0) {
        forbidden_until = now() + asked!;
        keeper._save({ ...keeper._load(), wait: Date.now() + asked! });
      }
      fail();
    } else {
      await disk?._remove(batch);
      if (outcome == "delivered") {
        failures = 0;
        most = max_batch_events;
        losses._delivered();
        for (const { index, reason, path } of reply!.rejected || []) if (batch[index]) lose("rejected", batch[index]!, ...(WHOLE ? [{ message: reason || "", path: path || "" }] : []));
      }
      for (const entry of batch) outcome == "delivered" ? forget(entry) : lose(outcome, entry, ...(WHOLE ? [{ message: `HTTP ${status} ${text_or_error!.slice(0, 200)}` }] : []));
    }
  };

  const hurry = (): void => {
    not_before = 0;
    wake(0); // for the case that a run is just ending
    void run(); // a hidden page's timers are late
  };

  const flush = async (timeout_s: number): Promise<boolean> => {
    const ids = [...mine.keys()];
    const end = now() + timeout_s * 1000;
    hurry();
    while (ids.some((id) => mine.has(id))) {
      if (now() >= end) return false;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    return true;
  };

  return {
    _add(entry) {
      const full = mine.size >= max_queue_events || bytes + entry.bytes > max_queue_bytes;
      if (full || closed) {
        losses._count(full ? "queue_full" : "closed", ...(WHOLE ? [{ event: JSON.parse(entry.line) }] : []));
        return false;
      }
      mine.set(entry.id, entry);
      bytes += entry.bytes;
      disk?._save(entry);
      wake(mine.size >= max_batch_events || bytes > max_batch_bytes ? 0 : flush_interval_ms);
      return true;
    },
    _hurry: hurry,
    _leave() {
      not_before = 0;
      // What is on its way may not arrive: it is ended, so that the lock is free, and goes once more.
      stop?.abort();
      // A simple request: no header that asks for a preflight, which a leaving page may not live to see answered.
      if (mine.size && wait() <= 0)
        navigator.sendBeacon(`${url}?key=${encodeURIComponent(write_key)}`, body(cut([...mine.values()], max_batch_events, MAX_LAST_BYTES)));
    },
    _closed: () => closed,
    _mine: mine,
    _flush: flush,
    async _close(timeout_s) {
      closed = 1;
      const done = await flush(timeout_s);
      stop?.abort();
      closed = 2;
      for (const entry of mine.values()) if (!entry.saved) lose("shutdown", entry);
      return done;
    },
  };
};
