/**
 * The browser: what is kept between pages and tabs, page views, and the end of a page.
 *
 * Nothing is loaded from anywhere, no cookie is set unless `cookie_domain` is, and no error reaches the page.
 */

import { campaignOf, withoutToken } from "./address";
import { clientOf, type Client as Made } from "./client";
import { shared } from "./cookie";
import { diskOf } from "./disk";
import type { Campaign, Consent } from "./event";
import { newId } from "./ids";
import { linkOfAddress } from "./links";
import type { Keeper, Memory } from "./memory";
import { quietly, warn } from "./quietly";
import { ConfigurationError, type Options } from "./settings";
import type { Calls } from "./speaker";
import { SDK } from "./version";

export type * from "./event";
export type { Speaker as Scope } from "./speaker";
export { ConfigurationError };

export interface BrowserOptions extends Options {
  /** Say `page` when the page opens, when its address changes without loading, and when it comes back; true. */
  auto_page?: boolean;
  /** Store and send nothing before `consent({analytics: true})`, and nothing after it is taken back; false. */
  require_consent?: boolean;
  /** Share the device between subdomains by a first-party cookie, e.g. `example.com`. Without it there is no cookie. */
  cookie_domain?: string;
  /** The key of link tokens (protocol P-13), public like all in a page: one in the address says `link`. Not read by the core alone. */
  link_key?: string;
}

export interface Client extends Made {}

export class Client {
  /** @throws ConfigurationError a setting could never work */
  constructor(endpoint: string, write_key: string, options: BrowserOptions = {}) {
    const { device: given = {}, channel, app_version, cookie_domain } = options;
    let referrer = document.referrer;
    let viewed = "";
    let unviewed = false;
    let campaign: Campaign | undefined;

    const unsaid = (consent?: Consent): unknown => options.require_consent && !consent?.analytics;
    const keeper = keptLocally(unsaid, ...(WHOLE ? [() => cookie_domain && shared(cookie_domain, "")] : []));

    const client = clientOf(
      new.target.prototype, endpoint, write_key, options, keeper,
      (url) => {
        const name = `stl ${url} ${write_key}`;
        return {
          _disk: (...room) => diskOf(name, ...room),
          async _alone(drain, pending, disk) {
            // Before consent a look into the queue would make one. After a withdrawal a record stays until all is sent and erased.
            if (!pending && keeper._bare()) return;
            const sent = async (): Promise<void> => {
              if (!(await drain()) || !unsaid(keeper._load().consent)) return;
              disk._erase();
              keeper._erase();
            };
            // Without locks, which a page without TLS has not, two tabs may send an event twice, and it is one event by its id.
            await (navigator.locks?.request(name, sent) ?? sent());
          },
        };
      },
      {
        _unsaid: unsaid,
        _device(memory) {
          if (campaign) memory.campaign = campaign; // holds from the next event on
          campaign = undefined;
          if (given.id) return given.id;
          const id = memory.device || newId(Date.now());
          return (memory.device = WHOLE && cookie_domain && !unsaid(memory.consent) ? shared(cookie_domain, id) : id);
        },
        _head(id) {
          const { width: screen_width, height: screen_height } = window.screen; // `screen` is a call here
          const { timeZone: timezone } = Intl.DateTimeFormat().resolvedOptions();
          const device = { app_version, locale: navigator.language, timezone, screen_width, screen_height, ...given, id };
          return JSON.stringify({ sdk: SDK, device, channel: channel || undefined });
        },
        _agreed: () => unviewed && say(), // the page that asked is seen, now that it may be said
        _page: () => ({ url: address().slice(0, 8192), title: document.title.slice(0, 2048), referrer: referrer.slice(0, 8192) }),
      },
    );
    const { _sender: sender } = client._core;

    const say = (): void => {
      unviewed = options.auto_page != false && !client.page();
    };
    const view = (): void => {
      if (address() == viewed) return;
      referrer = viewed || referrer;
      viewed = address();
      campaign = campaignOf(location.search);
      say();
    };
    const on = (type: string, run: (event: any) => unknown, target: EventTarget = window): void =>
      target.addEventListener(type, (event) => sender._closed() || quietly(() => run(event)), true);
    const later = (): unknown => setTimeout(() => sender._closed() || quietly(view)); // the page sets its title first
    const start = (): void => {
      const { href } = location;
      const linked = WHOLE && options.link_key && linkOfAddress(client, options.link_key);
      const rest = withoutToken(href);
      if (rest != href) history.replaceState(history.state, "", rest);
      view();
      if (linked) linked();
      const { pushState } = history;
      history.pushState = function (...given) {
        pushState.apply(this, given);
        later();
      };
      on("popstate", later);
    };
    on("visibilitychange", () => document.hidden && sender._hurry(), document);
    on("pagehide", sender._leave);
    on("pageshow", ({ persisted }) => {
      if (!persisted) return;
      sender._hurry();
      say();
    });
    on("online", sender._hurry);
    if ((document as { prerendering?: boolean }).prerendering) on("prerenderingchange", start, document);
    else quietly(start);
    sender._hurry(); // what earlier pages left

    return client as Client;
  }
}

interface LocalKeeper extends Keeper {
  /** Whether nothing may be stored, and nothing is. */
  _bare(): unknown;
  _erase(): void;
}

/**
 * Keeps in localStorage, where all tabs look before each event; in memory where that is blocked. After a withdrawal nothing but
 * the withdrawal itself is kept, until it is erased.
 */
const keptLocally = (unsaid: (consent?: Consent) => unknown, forget?: () => unknown): LocalKeeper => {
  let memory: Memory = {};
  let stored = false;
  let storage: Storage | undefined;
  try {
    storage = localStorage;
  } catch {
    // blocked: what is known here lives as long as the page
  }
  const load = (): Memory => {
    const text = storage?.stl;
    if (text) memory = JSON.parse(text);
    else if (stored) memory = {}; // taken back, or cleared, in another tab
    stored = !!text;
    return memory;
  };
  return {
    _load: load,
    _save(changed) {
      memory = changed;
      const gone = unsaid(memory.consent);
      if (gone && !stored) return;
      try {
        storage!.stl = JSON.stringify(gone ? { consent: memory.consent, wait: memory.wait } : memory);
        stored = true;
        if (WHOLE && gone) forget!();
      } catch {
        storage = undefined; // or full
      }
    },
    _bare: () => unsaid(load().consent) && !stored,
    _erase() {
      stored = false;
      delete storage?.stl;
    },
  };
};

/** The page's address. A fragment is part of it only where it is a route: others may hold secrets, and are no page. */
const address = (): string => location.href.replace(/#(?![/!]).*/, "");

let current: Client | undefined;

/** Makes the page's own client, which the calls below use; one made before is closed. Never throws. */
export const init = (...given: [endpoint: string, write_key: string, options?: BrowserOptions]): Client | undefined => {
  void current?.close();
  current = undefined;
  quietly(() => (current = new Client(...given)));
  return current;
};

/** Returns the page's own client, if `init` was called. */
export const client = (): Client | undefined => current;

/** The calls of the page's own client. */
export const calls = {} as Calls;
for (const name of "track page screen identify link unlink logout consent".split(" ") as (keyof Calls)[])
  calls[name] = (...given: any[]): boolean => {
    if (current) return (current[name] as (...given: any[]) => boolean)(...given);
    return warn("no init");
  };
export const { track, page, screen, identify, link, unlink, logout, consent } = calls;

/** Waits until everything queued so far is delivered; true also before `init`. */
export const flush = async (timeout_s?: number): Promise<boolean> => !current || current.flush(timeout_s);
/** Delivers what is queued, then ends; true also before `init`. */
export const close = async (timeout_s?: number): Promise<boolean> => !current || current.close(timeout_s);
