/**
 * The browser: what is kept between pages and tabs, page views, and the end of a page.
 *
 * Nothing is loaded from anywhere, no cookie is set unless `cookie_domain` is, and no error reaches the page.
 */

import { added } from "./added";
import { campaignOf, takeToken } from "./address";
import { Client as Base } from "./client";
import { IndexedDisk } from "./disk";
import type { Consent, TagsAndProperties } from "./event";
import { newId } from "./ids";
import type { Linked } from "./links";
import { ConfigurationError, type Options } from "./settings";
import { now } from "./sender";
import type { Keeper, Memory } from "./speaker";
import { SDK_VERSION } from "./version";

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

const RECORD = "stl";
const WAIT = "stl_wait";
const COOKIE = "stl_device";

export class Client extends Base {
  private _unviewed = false;
  private _ended = new AbortController();

  /** @throws ConfigurationError a setting could never work */
  constructor(endpoint: string, write_key: string, options: BrowserOptions = {}) {
    const { device = {}, channel, app_version, cookie_domain } = options;
    const unsaid = (consent?: Consent): boolean => !!options.require_consent && !consent?.analytics;
    const setCookie = (id: string, age_s: number): void => {
      const secure = location.protocol == "https:" ? "; Secure" : "";
      document.cookie = `${COOKIE}=${id}; Domain=${cookie_domain}; Path=/; Max-Age=${age_s}; SameSite=Lax${secure}`;
    };
    const keeper = keptLocally(unsaid, () => cookie_domain && setCookie("", 0));
    const deviceId = (): string => {
      if (device.id) return device.id;
      const memory = keeper.load();
      const cookie = cookie_domain && /(?:^|; )stl_device=([\w-]{36})/.exec(document.cookie)?.[1];
      const id = cookie || memory.device || newId(Date.now());
      if (memory.device != id) keeper.save(Object.assign(memory, { device: id }));
      if (cookie_domain && !cookie && !unsaid(memory.consent)) setCookie(id, 34_128_000); // 13 months
      return id;
    };
    let referrer = document.referrer;
    let viewed = "";
    let pending = (): number => 0;
    const head = (id: string): string => {
      const { language: locale } = navigator;
      const { width: screen_width, height: screen_height } = window.screen; // `screen` is a call here
      const { timeZone: timezone } = Intl.DateTimeFormat().resolvedOptions();
      const all = { app_version, locale, timezone, screen_width, screen_height, ...device, id };
      return `"device":${JSON.stringify(all)}${channel ? `,"channel":${JSON.stringify(channel)}` : ""}`;
    };
    super(
      endpoint, write_key, options, keeper,
      (url, max_bytes, lost) => {
        const name = `stitchline ${url} ${write_key}`;
        const disk = new IndexedDisk(name, max_bytes, lost);
        return {
          disk,
          sdk: `"sdk":{"name":"stitchline-js","version":"${SDK_VERSION}"},`,
          forbidden,
          async alone(run) {
            // Before consent a look into the queue would make one. After a withdrawal a record stays until all is sent and erased.
            if (!pending() && keeper.bare()) return;
            const sent = async (): Promise<void> => {
              if (!(await run()) || !unsaid(keeper.load().consent)) return;
              disk.erase();
              keeper.erase();
            };
            try {
              await navigator.locks.request(name, sent);
            } catch {
              await sent(); // no locks here: two tabs may send an event twice, and it is one event by its id
            }
          },
        };
      },
      {
        unsaid,
        device: deviceId,
        head,
        page: () => ({ url: address().slice(0, 8192), title: document.title.slice(0, 2048), referrer: referrer.slice(0, 8192) }),
      },
    );
    const { sender } = this._core;
    pending = () => sender.pending;
    const view = (): void => {
      if (address() == viewed) return;
      if (viewed) referrer = viewed;
      viewed = address();
      const campaign = campaignOf(location.search);
      if (campaign) keeper.save(Object.assign(this._memory(), { campaign }));
      this._view();
    };
    this._view = () => {
      this._unviewed = options.auto_page != false && !this.page();
    };
    const on = (target: EventTarget, type: string, run: (event: any) => void): void =>
      target.addEventListener(type, (event) => quietly(() => run(event)), { capture: true, signal: this._ended.signal });
    const later = (): unknown => setTimeout(() => this._ended.signal.aborted || quietly(view)); // the page sets its title first
    const start = (): void => {
      let said: Linked | undefined;
      quietly(() => {
        const { token, url } = takeToken(location.href);
        if (!token) return;
        history.replaceState(history.state, "", url);
        said = options.link_key ? added.token?.(token, options.link_key, { own_device: deviceId() }) : undefined;
      });
      view();
      if (said) this.link(said.linked, { properties: { via: said.via || undefined } });
      const { navigation } = window as unknown as { navigation?: EventTarget };
      if (navigation) {
        on(navigation, "currententrychange", ({ navigationType }) => /push|traverse/.test(navigationType) && later());
      } else {
        const { pushState } = history;
        history.pushState = function (...given) {
          pushState.apply(this, given);
          later();
        };
        on(window, "popstate", later);
      }
    };
    on(document, "visibilitychange", () => document.visibilityState == "hidden" && sender.last());
    on(window, "pagehide", () => {
      sender.last((url, body) => navigator.sendBeacon(url, body));
      sender.pause();
    });
    on(window, "pageshow", ({ persisted }) => {
      if (!persisted) return;
      sender.resume();
      this._view();
    });
    on(window, "online", () => sender.hurry());
    if ((document as { prerendering?: boolean }).prerendering) on(document, "prerenderingchange", start);
    else quietly(start);
    sender.wake(0); // what earlier pages left
  }

  private _view: () => void;

  override consent(purposes: Consent, tags?: TagsAndProperties): boolean {
    const queued = super.consent(purposes, tags);
    if (queued && this._unviewed) quietly(this._view); // the page that asked is seen, now that it may be said
    return queued;
  }

  override close(timeout_s?: number): Promise<boolean> {
    this._ended.abort();
    return super.close(timeout_s);
  }
}

interface LocalKeeper extends Keeper {
  /** Whether nothing may be stored, and nothing is. */
  bare(): boolean;
  erase(): void;
}

/**
 * Keeps in localStorage, where all tabs look before each event; in memory where that is blocked. After a withdrawal nothing but
 * the withdrawal itself is kept, until `erase`.
 */
function keptLocally(unsaid: (consent?: Consent) => boolean, forget: () => void): LocalKeeper {
  let memory: Memory = {};
  let stored = false;
  let blocked = false;
  const load = (): Memory => {
    try {
      const text = blocked ? null : localStorage.getItem(RECORD);
      if (text) memory = JSON.parse(text);
      else if (stored) memory = {}; // taken back, or cleared, in another tab
      stored = !!text;
    } catch {
      // blocked: what is known here lives as long as the page
    }
    return memory;
  };
  return {
    load,
    save(changed) {
      memory = changed;
      const gone = unsaid(memory.consent);
      if (gone && !stored) return;
      try {
        localStorage.setItem(RECORD, JSON.stringify(gone ? { consent: memory.consent } : memory));
        stored = true;
        if (gone) forget();
      } catch {
        blocked = true;
      }
    },
    bare: () => unsaid(load().consent) && !stored,
    erase() {
      stored = false;
      try {
        localStorage.removeItem(RECORD);
        localStorage.removeItem(WAIT);
      } catch {
        // blocked: there is none
      }
    },
  };
}

let until = 0;

/** The end of a Retry-After: by this tab's own clock, and for all others as a time of day, which somebody may set. */
function forbidden(for_ms?: number): number {
  let left = 0;
  try {
    if (for_ms) localStorage[WAIT] = Date.now() + for_ms;
    left = localStorage[WAIT] - Date.now();
  } catch {
    // blocked: it holds for this page
  }
  if (for_ms) until = now() + for_ms;
  return Math.max(until - now(), left > 300_000 ? 0 : left || 0);
}

/** The page's address. A fragment is part of it only where it is a route: others may hold secrets, and are no page. */
const address = (): string => location.href.replace(/#(?![/!]).*/, "");

function quietly(run: () => void): void {
  try {
    run();
  } catch (error) {
    console.warn("stitchline:", error);
  }
}

let current: Client | undefined;

/** Makes the page's own client, which the calls below use; one made before is closed. Never throws. */
export function init(endpoint: string, write_key: string, options?: BrowserOptions): Client | undefined {
  void current?.close();
  current = undefined;
  quietly(() => (current = new Client(endpoint, write_key, options)));
  return current;
}

/** Returns the page's own client, if `init` was called. */
export const client = (): Client | undefined => current;

type Name = "track" | "page" | "screen" | "identify" | "link" | "unlink" | "logout" | "consent";

/** The calls of the page's own client. */
export const calls = {} as Pick<Client, Name>;
for (const name of "track page screen identify link unlink logout consent".split(" ") as Name[])
  calls[name] = (...given: any[]): boolean => {
    if (current) return (current[name] as (...given: any[]) => boolean)(...given);
    console.warn("stitchline: no init");
    return false;
  };
export const { track, page, screen, identify, link, unlink, logout, consent } = calls;

/** Waits until everything queued so far is delivered; true also before `init`. */
export const flush = async (timeout_s?: number): Promise<boolean> => !current || current.flush(timeout_s);
/** Delivers what is queued, then ends; true also before `init`. */
export const close = async (timeout_s?: number): Promise<boolean> => {
  const before = current;
  current = undefined;
  return !before || before.close(timeout_s);
};
