/** What a client is on every platform: settings in, calls on top, delivery below. */

import type { Device } from "./event";
import { clean } from "./identifiers";
import { Losses } from "./losses";
import { Sender, type Entry, type Platform } from "./sender";
import { settingsOf, type Options } from "./settings";
import { Speaker, type Core, type Keeper, type Memory } from "./speaker";

const SHARED = /^(kiosk|atm|pos)$/;

export class Client extends Speaker {
  /** @throws ConfigurationError a setting could never work */
  constructor(
    endpoint: string,
    write_key: string,
    options: Options,
    keeper: Keeper,
    platform: (url: string, max_bytes: number, lost: (entry: Entry) => void) => Platform,
    core: Pick<Core, "device" | "page" | "unsaid" | "head" | "seq">,
  ) {
    const settings = settingsOf(endpoint, write_key, options);
    const losses = new Losses(options.on_drop, options.debug);
    const { url, max_queue_bytes, clock } = settings;
    const lost = ({ line }: Entry): void => losses.count("offline_full", JSON.parse(line));
    const sender = new Sender(settings, losses, platform(url, max_queue_bytes, lost));
    const { device, identifiers, consent } = options;
    const type = device?.type || "";
    const shared = SHARED.test(type);
    const timeout_s = options.session_timeout_s || (shared ? 120 : 1800);
    const personal = type != "server";
    const hash = options.hash_contacts ?? true;
    super(
      { ...core, sender, losses, clock, hash }, keeper, {}, personal ? timeout_s * 1000 : 0, shared, personal, consent,
    );
    const memory = keeper.load();
    if (identifiers) memory.identifiers = clean(identifiers, hash, () => losses.count("identifier_refused"));
    // What the page knows of the banner is newer than what was said on the last page.
    if (consent) memory.consent = { ...memory.consent, ...consent };
    keeper.save(memory);
  }

  /** This device, as its events name it. */
  get device(): Device {
    return JSON.parse(`{${this._core.head(this._core.device())}}`).device;
  }

  /** How many events were lost since the start, by reason. */
  get losses(): Record<string, number> {
    return { ...this._core.losses.totals };
  }

  /** How many events of this page or process are neither delivered nor lost. */
  get pending(): number {
    return this._core.sender.pending;
  }

  /** Waits until everything queued so far is delivered or counted as lost; false when the time was over first. */
  flush(timeout_s = 10): Promise<boolean> {
    return this._core.sender.flush(timeout_s);
  }

  /** Delivers what is queued, then ends; later calls are counted as `closed`. */
  close(timeout_s = 5): Promise<boolean> {
    return this._core.sender.close(timeout_s);
  }
}

/** Remembers as long as the process. */
export const inMemory = (memory: Memory): Keeper => ({ load: () => memory, save: (changed) => void (memory = changed) });
