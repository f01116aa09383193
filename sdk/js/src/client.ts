/** What a client is on every platform: settings in, calls on top, delivery below. */

import { checkSettings } from "./checks";
import type { Device, Identifiers } from "./event";
import { clean } from "./identifiers";
import { lossesOf } from "./losses";
import type { Keeper } from "./memory";
import { senderOf, type Platform } from "./sender";
import { urlOf, type Options } from "./settings";
import { speakerOf, type Core, type Speaker } from "./speaker";

/** What a client has besides the calls. */
export interface Delivery {
  /** @internal */
  readonly _core: Core;
  /** This device, as its events name it. */
  readonly device: Device;
  /** How many events were lost since the start, by reason. */
  readonly losses: Record<string, number>;
  /** How many events of this page or process are neither delivered nor lost. */
  readonly pending: number;
  /** Waits until everything queued so far is delivered or counted as lost; false when `timeout_s` (10) was over first. */
  flush(timeout_s?: number): Promise<boolean>;
  /** Delivers what is queued within `timeout_s` (5), then ends; later calls are counted as `closed`. */
  close(timeout_s?: number): Promise<boolean>;
}

export type Client = Speaker & Delivery;

/**
 * Makes a client.
 * @param prototype whose instance it is
 * @throws ConfigurationError a setting could never work
 */
export const clientOf = (
  prototype: object,
  endpoint: string,
  write_key: string,
  options: Options,
  keeper: Keeper,
  platform: (url: string) => Platform,
  own: Pick<Core, "_device" | "_page" | "_agreed" | "_unsaid" | "_head" | "_seq">,
): Client => {
  if (WHOLE) checkSettings(options);
  const url = urlOf(endpoint, write_key);
  const losses = lossesOf(options);
  const sender = senderOf(url, write_key, options, losses, keeper, platform(url));
  const { device = {}, identifiers, consent } = options;
  const shared = /^(kiosk|atm|pos)$/.test(device.type!);
  const refuse = (namespace: string): void => losses._count("identifier_refused", ...(WHOLE ? [{ message: namespace }] : []));
  const cleaned = (given: Identifiers): Record<string, string> | undefined => clean(given, refuse, ...(WHOLE ? [options.hash_contacts] : []));
  const core: Core = { ...own, _sender: sender, _losses: losses, _clean: cleaned, ...(WHOLE && { _clock: options.clock }) };
  const memory = keeper._load();
  if (identifiers) memory.identifiers = cleaned(identifiers);
  // What the page knows of the banner is newer than what was said on the last page.
  if (consent) memory.consent = { ...memory.consent, ...consent };
  keeper._save(memory);
  const delivery = {
    __proto__: prototype,
    _core: core,
    get device() {
      const memory = keeper._load();
      const id = own._device(memory);
      keeper._save(memory);
      return JSON.parse(own._head(id)).device;
    },
    get losses() {
      return { ...losses._totals };
    },
    get pending() {
      return sender._mine.size;
    },
    flush: (timeout_s = 10) => sender._flush(timeout_s),
    close: (timeout_s = 5) => sender._close(timeout_s),
  } satisfies Delivery & { __proto__: object };
  const timeout_s = (WHOLE && options.session_timeout_s) || (shared ? 120 : 1800);
  return speakerOf(delivery, core, keeper, { _timeout: WHOLE && device.type == "server" ? 0 : timeout_s * 1000, _shared: shared, _consent: consent }) as Client;
};
