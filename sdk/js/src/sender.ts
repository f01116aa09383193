/**
 * The sender: takes events, delivers them in order, and counts what cannot be.
 *
 * An event stays in memory, and on disk where there is one, until a collector's 200, or until it was counted as lost. Events
 * keep their bytes over all attempts; only `sent_at` is new.
 */

import type { Losses } from "./losses";
import { askedMs, backoffMs, decide, type Decision } from "./retry";
import type { Settings } from "./settings";

/** One event, encoded. */
export interface Entry {
  id: string;
  /** The batch members it travels with: sdk, device, channel. Events of two heads never share a batch. */
  head: string;
  line: string;
  bytes: number;
  /** The device that counts its `seq`; none where it happened elsewhere. */
  own: string | undefined;
  /** It has been on its way, so that its bytes are fixed. */
  left?: boolean;
}

/** An entry of this page. */
export interface Mine extends Entry {
  saved?: boolean;
  /** On its way outside of the usual row: the page is being hidden. */
  flying?: boolean;
}

/** What outlives the page. None of its promises rejects. */
export interface Disk {
  /** Saves an entry, and marks it when it is on disk. */
  save(entry: Mine): void;
  /** Returns the oldest entries of all tabs; undefined when the disk does not work. */
  take(most: number): Promise<Entry[] | undefined>;
  remove(entries: Entry[]): Promise<void>;
  /** Removes the database itself; the next entry makes another. */
  erase(): void;
}

/** What differs between a page and a server. */
export interface Platform {
  disk?: Disk | undefined;
  /** Runs when no other tab is sending; `run` says whether nothing is left. */
  alone(run: () => Promise<boolean>): Promise<void>;
  /** Returns how many milliseconds a Retry-After still forbids sending, 0 or less for none. Given some, it forbids for so long. */
  forbidden(for_ms?: number): number;
  sdk: string;
}

interface Answer {
  status: number;
  asked?: number | undefined;
  reply?: { accepted: number; rejected?: Rejection[] } | undefined;
  why: string;
}

interface Rejection {
  index: number;
  reason?: string;
  path?: string;
}

const MIN_GZIP_BYTES = 1024; // below this gzip saves less than a packet
// Browsers allow 64 KiB of keepalive bodies at a time, beacons included: a quarter is for usual requests.
const MAX_KEEPALIVE_BYTES = 16_000;
const MAX_LAST_BYTES = 48_000;

/** Milliseconds of a clock that nobody sets: all waits and limits are its own. */
export const now = (): number => performance.now();

/** Returns how many of the first entries travel together. */
export function cut(entries: Entry[], most: number, mostBytes: number): number {
  const head = entries[0]?.head;
  let bytes = 0;
  const end = entries.findIndex((entry, at) => {
    bytes += entry.bytes;
    return at && (at >= most || bytes > mostBytes || entry.head != head);
  });
  return end < 0 ? entries.length : end;
}

export class Sender {
  private _mine = new Map<string, Mine>();
  private _bytes = 0;
  private _timer: ReturnType<typeof setTimeout> | undefined;
  private _at = 0;
  private _running = false;
  private _failures = 0;
  private _notBefore = 0;
  private _most: number;
  private _waiters = new Set<() => void>();
  private _stop: AbortController | undefined;
  private _keeps = false;
  private _closed = false;
  private _over = false;

  constructor(
    private _settings: Settings,
    private _losses: Losses,
    private _platform: Platform,
  ) {
    this._most = _settings.max_batch_events;
    this._keeps = !!_platform.disk;
  }

  get pending(): number {
    return this._mine.size;
  }

  /** Takes an event; false when there is no room. */
  add(entry: Entry): boolean {
    const settings = this._settings;
    const full = this._mine.size >= settings.max_queue_events || this._bytes + entry.bytes > settings.max_queue_bytes;
    if (full || this._closed) {
      this._losses.count(full ? "queue_full" : "closed", JSON.parse(entry.line));
      return false;
    }
    const mine: Mine = entry;
    this._mine.set(entry.id, mine);
    this._bytes += entry.bytes;
    this._platform.disk?.save(mine);
    const enough = this._mine.size >= settings.max_batch_events || this._bytes > settings.max_batch_bytes;
    this.wake(enough ? 0 : settings.flush_interval_s * 1000);
    return true;
  }

  /** Sends after so many milliseconds, or earlier where that was asked for before. */
  wake(delay_ms: number): void {
    const at = now() + delay_ms;
    if (this._over || (this._timer && this._at <= at)) return;
    clearTimeout(this._timer);
    this._at = at;
    this._timer = setTimeout(() => {
      this._timer = undefined;
      void this._run();
    }, delay_ms);
    // A timer must not keep a Node process alive: what is left is drained before it exits.
    (this._timer as { unref?: () => void }).unref?.();
  }

  /** Tries again now: the network is back, or somebody waits. Never before the end of a Retry-After. */
  hurry(): void {
    this._notBefore = 0;
    this.wake(0);
  }

  /** Waits until everything queued so far is delivered or counted as lost; false when the time was over first. */
  flush(timeout_s: number): Promise<boolean> {
    const ids = [...this._mine.keys()];
    this.hurry();
    return new Promise((resolve) => {
      const done = (): void => {
        const left = ids.some((id) => this._mine.has(id));
        if (!left || now() >= deadline) {
          clearTimeout(timer);
          this._waiters.delete(done);
          resolve(!left);
        }
      };
      const deadline = now() + timeout_s * 1000;
      const timer = setTimeout(done, timeout_s * 1000 + 1);
      this._waiters.add(done);
      done();
    });
  }

  /** Takes nothing more, and gives up what is only in memory when the time is over. */
  async close(timeout_s: number): Promise<boolean> {
    this._closed = true;
    const done = await this.flush(timeout_s);
    this._over = true;
    this.pause();
    clearTimeout(this._timer);
    for (const entry of this._mine.values()) if (!entry.saved) this._lose("shutdown", [entry]);
    return done;
  }

  /** The page is leaving: ends a request that would not outlive it, so that the lock is free. */
  pause(): void {
    this._stop?.abort();
  }

  /** The page is back: what was sent at its end was never answered. */
  resume(): void {
    for (const entry of this._mine.values()) entry.flying = false;
    this.hurry();
  }

  /**
   * Sends what is in memory at once, as far as a leaving page may.
   * @param beacon sends a body that nobody waits for; without it the answer is read, because the page may stay
   */
  last(beacon?: (url: string, body: string) => boolean): void {
    const entries = [...this._mine.values()].filter((entry) => !entry.flying);
    const batch = entries.slice(0, cut(entries, this._settings.max_batch_events, MAX_LAST_BYTES));
    if (!batch.length || this._platform.forbidden() > 0) return;
    // A simple request: no header that asks for a preflight, which a leaving page may not live to see answered.
    const url = `${this._settings.url}?key=${encodeURIComponent(this._settings.write_key)}`;
    const body = this._body(batch);
    this._fly(batch, true);
    if (beacon?.(url, body)) return;
    void this._post(url, { body, keepalive: true }).then(async (answer) => {
      this._fly(batch, false);
      if (answer.reply) await this._delivered(batch, answer);
      else this.wake(this._settings.flush_interval_s * 1000);
    });
  }

  private _fly(batch: Entry[], flying: boolean): void {
    for (const { id } of batch) {
      const mine = this._mine.get(id);
      if (mine) mine.flying = flying;
    }
  }

  private async _run(): Promise<void> {
    if (this._running) return;
    this._running = true;
    try {
      await this._platform.alone(() => this._drain());
    } catch {
      this._fail();
    }
    this._running = false;
    // What came while the last look was on its way.
    if (this._mine.size && !this._timer) this.wake(this._settings.flush_interval_s * 1000);
  }

  /** Sends until nothing is left (true) or it has to wait. */
  private async _drain(): Promise<boolean> {
    for (;;) {
      const wait_ms = Math.max(this._notBefore - now(), this._platform.forbidden());
      if (wait_ms > 0) {
        this.wake(wait_ms);
        return false;
      }
      const entries = await this._waiting();
      if (!entries.length) return !this._mine.size;
      const batch = entries.slice(0, cut(entries, this._most, this._settings.max_batch_bytes));
      await this._bring(batch);
    }
  }

  /** Returns what waits, oldest first: of all tabs where there is a disk. */
  private async _waiting(): Promise<Entry[]> {
    // What comes during the look, or is saved meanwhile, is for the next one: this one may not have seen it.
    const before = [...this._mine.values()].map((entry) => [entry, entry.saved] as const);
    const stored = await this._platform.disk?.take(this._settings.max_batch_events);
    this._keeps = !!stored;
    const waiting = new Map<string, Entry>();
    for (const entry of stored || []) waiting.set(entry.id, entry);
    for (const [entry, saved] of before) {
      if (entry.flying) waiting.delete(entry.id);
      else if (!entry.saved && this._mine.has(entry.id)) waiting.set(entry.id, entry); // it could not be saved
      else if (saved && stored && !stored.length) this._forget(entry); // another tab has delivered it
    }
    // Ids begin with their time; a stable order for the same bytes on every attempt.
    return [...waiting.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** Tries once, and does with the batch what the answer says. */
  private async _bring(batch: Entry[]): Promise<void> {
    const report = this._losses.report(this._settings.clock());
    const answer = await this._attempt(batch, this._body(batch, report));
    const [decision, reason]: [Decision, string] = decide(answer.status, !!answer.reply, batch.length, this._keeps);
    if (decision == "delivered") {
      if (report) this._losses.delivered();
      await this._delivered(batch, answer);
    } else if (decision == "split") {
      this._most = batch.length >> 1;
    } else if (decision == "drop") {
      this._lose(reason, batch, answer.why);
      await this._platform.disk?.remove(batch);
    } else {
      if (answer.asked != null) this._platform.forbidden(answer.asked);
      this._fail();
    }
  }

  private _fail(): void {
    const { backoff_s, max_backoff_s } = this._settings;
    this._notBefore = now() + backoffMs(++this._failures, backoff_s, max_backoff_s);
  }

  private async _delivered(batch: Entry[], answer: Answer): Promise<void> {
    this._failures = 0;
    this._most = this._settings.max_batch_events;
    for (const { index, reason, path } of answer.reply?.rejected || []) {
      const entry = batch[index];
      if (entry) this._losses.count("rejected", JSON.parse(entry.line), reason, path);
    }
    await this._platform.disk?.remove(batch);
    batch.forEach((entry) => this._forget(entry));
  }

  private _lose(reason: string, batch: Entry[], why?: string): void {
    for (const entry of batch) {
      this._losses.count(reason, JSON.parse(entry.line), why);
      this._forget(entry);
    }
  }

  private _forget(entry: Entry): void {
    if (this._mine.delete(entry.id)) this._bytes -= entry.bytes;
    this._waiters.forEach((done) => done());
  }

  private _body(batch: Entry[], report = ""): string {
    const lines = batch.map((entry) => {
      entry.left = true;
      return entry.line;
    });
    if (report) lines.push(report);
    const sent_at = new Date(this._settings.clock()).toISOString();
    return `{"sent_at":"${sent_at}",${this._platform.sdk}${batch[0]?.head || ""},"events":[${lines}]}`;
  }

  private async _attempt(batch: Entry[], text: string): Promise<Answer> {
    const headers: Record<string, string> = {
      Authorization: `Bearer ${this._settings.write_key}`,
      "Content-Type": "application/json",
    };
    let body: string | Uint8Array<ArrayBuffer> = text;
    if (this._settings.gzip && text.length >= MIN_GZIP_BYTES && typeof CompressionStream != "undefined") {
      const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
      body = new Uint8Array(await new Response(stream).arrayBuffer());
      headers["Content-Encoding"] = "gzip";
    }
    const keepalive = body.length < MAX_KEEPALIVE_BYTES / 3; // a character has up to three bytes
    const stop = new AbortController();
    // What outlives the page is not sent once more at its end, nor ended with it.
    if (keepalive) this._fly(batch, true);
    else this._stop = stop;
    const answer = await this._post(this._settings.url, { headers, body, keepalive }, stop);
    this._stop = undefined;
    this._fly(batch, false);
    return answer;
  }

  private async _post(url: string, request: RequestInit, stop = new AbortController()): Promise<Answer> {
    const timer = setTimeout(() => stop.abort(), this._settings.timeout_s * 1000);
    try {
      // A redirect is no acknowledgement, and must not be followed. Cookies are nobody's business here.
      const response = await fetch(url, {
        method: "POST", redirect: "manual", credentials: "omit", signal: stop.signal, ...request,
      });
      const text = await response.text();
      const { status } = response;
      const asked = askedMs(response.headers.get("Retry-After"), Date.now());
      return { status, asked, reply: status == 200 ? replyOf(text) : undefined, why: `HTTP ${status} ${text.slice(0, 200)}` };
    } catch (error) {
      return { status: 0, why: `${error}` };
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Reads a collector's answer; undefined for anybody else's. */
function replyOf(text: string): Answer["reply"] {
  try {
    const reply = JSON.parse(text);
    return typeof reply.accepted == "number" ? reply : undefined;
  } catch {
    return undefined;
  }
}

