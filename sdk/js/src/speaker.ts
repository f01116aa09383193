/**
 * The calls, and the making of events: one device in one channel, and the person who is using it.
 *
 * No call blocks, and none throws: what cannot be sent is counted, and the call returns false.
 */

import type { Consent, Device, EventType, Identifiers, IdentifierValue, Page, Properties, Tags, TagsAndProperties } from "./event";
import { MAX_DEPTH, MAX_EVENT_BYTES } from "./event";
import { clean, identifierText, invalid } from "./identifiers";
import { newId } from "./ids";
import type { Losses } from "./losses";
import type { Sender } from "./sender";
import { utf8 } from "./sha256";

/** What is remembered from call to call, and in a browser from page to page. */
export interface Memory {
  device?: string;
  session_id?: string;
  last_ms?: number;
  campaign?: object;
  identifiers?: Record<string, string>;
  consent?: Consent;
}

export interface Keeper {
  load(): Memory;
  save(memory: Memory): void;
}

/** What the speakers of one client share. */
export interface Core {
  sender: Sender;
  losses: Losses;
  clock: () => number;
  hash: boolean;
  /** The id of this client's device. */
  device(): string;
  /** The batch members of this client's events: device and channel. */
  head(id: string): string;
  /** Whether nothing may be stored or sent. */
  unsaid(consent: Consent | undefined): boolean;
  /** The page where it happens; undefined on a server. */
  page?(): Page;
  /** The next number of this device, where it is counted in memory. */
  seq?: (() => number) | undefined;
}

/** What every event of a speaker carries. */
export interface Fixed {
  device?: Device | undefined;
  channel?: string | undefined;
  page?: Page | undefined;
}

const PARTS = { page: /^(url|title|referrer)$/, campaign: /^(source|medium|name|term|content|click_id)$/ };
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export class Speaker {
  constructor(
    /** @internal */
    readonly _core: Core,
    protected _keeper: Keeper,
    private _fixed: Fixed = {},
    /** Milliseconds of silence that end a session; 0: it has none of its own. */
    private _timeout = 0,
    /** Strangers follow each other: silence and logout forget the person, and what was agreed to. */
    private _shared = false,
    /** Whether an `identify` holds for later events. */
    private _remembers = true,
    private _consent?: Consent,
  ) {}

  /** Who it is, as on the wire: contacts are hashed. */
  get identifiers(): Record<string, string> {
    return { ...this._memory().identifiers };
  }

  /** The session; undefined before its first event and after `logout`. */
  get session_id(): string | undefined {
    return this._memory().session_id;
  }

  /** Says that something happened. Returns true when it is queued, false when it is lost, which is counted by reason. */
  track(name: string, properties?: Properties, tags?: Tags): boolean {
    return this._say("track", name, properties, tags);
  }

  /** Says that a page was seen; in a browser, the one that is open. */
  page(name = "", properties?: Properties, tags?: Tags): boolean {
    return this._say("page", name, properties, tags);
  }

  /** Says that a screen of an app or a machine was seen. */
  screen(name: string, properties?: Properties, tags?: Tags): boolean {
    return this._say("screen", name, properties, tags);
  }

  /** Says who is using the device; later events carry it until `logout`. Another `user` begins with nobody known. */
  identify(user?: IdentifierValue, tags: TagsAndProperties = {}): boolean {
    return this._guarded("identify", "", () => {
      const { properties, email, phone, identifiers, ...rest } = tags;
      const who = this._clean({ ...identifiers, email, phone, user: user ?? tags.user });
      delete rest.user;
      if (!nonEmpty(who)) throw invalid("user");
      const memory = this._memory();
      if (!this._remembers) return this._say("identify", "", properties, rest, { identifiers: who });
      const known = memory.identifiers;
      const other = who.user && known?.user && who.user != known.user;
      // Another login is another person: what was known of the last one must not stick to this one.
      memory.identifiers = other ? who : { ...known, ...who };
      this._keeper.save(memory);
      return this._say("identify", "", properties, rest);
    });
  }

  /** Says that this side (device and person of the event) and the other are one person. */
  link(linked: Identifiers, tags?: TagsAndProperties): boolean {
    return this._relate("link", linked, tags);
  }

  /** Says that this side and the other are not one person, whatever older evidence says. */
  unlink(linked: Identifiers, tags?: TagsAndProperties): boolean {
    return this._relate("unlink", linked, tags);
  }

  /** Says that the person left; forgets who it was and begins another session. */
  logout(properties?: Properties, tags?: Tags): boolean {
    const queued = this._say("logout", "", properties, tags);
    const memory = this._memory();
    const { session_id } = memory;
    this._end(memory);
    delete memory.identifiers;
    if (session_id && !this._timeout) memory.session_id = newId(this._core.clock());
    this._keeper.save(memory);
    return queued;
  }

  /** Says what the person allows; later events carry it. */
  consent(purposes: Consent, tags: TagsAndProperties = {}): boolean {
    return this._guarded("consent", "", () => {
      if (!purposes || !nonEmpty(purposes) || Object.values(purposes).some((given) => typeof given != "boolean"))
        throw invalid("consent");
      const { properties, ...rest } = tags;
      if (!this._remembers) return this._say("consent", "", properties, rest, { consent: purposes });
      this._core.device();
      const memory = this._memory();
      const before = memory.consent;
      const consent = (memory.consent = { ...before, ...purposes });
      const unsaid = this._core.unsaid(consent);
      // A withdrawal is the last thing that is said; what was never allowed is not even refused aloud.
      const queued = (!unsaid || !this._core.unsaid(before)) && this._say("consent", "", properties, rest, {}, memory);
      this._keeper.save(unsaid ? { consent } : memory);
      return queued;
    });
  }

  private _clean(given: Identifiers): Record<string, string> {
    const { hash, losses } = this._core;
    return clean(given, hash, (namespace) => losses.count("identifier_refused", {}, namespace));
  }

  private _relate(type: EventType, other: Identifiers, tags: TagsAndProperties = {}): boolean {
    return this._guarded(type, "", () => {
      const linked = this._clean(other);
      if (!nonEmpty(linked)) throw invalid("linked");
      const { properties, ...rest } = tags;
      return this._say(type, "", properties, rest, { linked });
    });
  }

  /** Returns what is known now; a session that was silent for too long is over. */
  protected _memory(): Memory {
    const memory = this._keeper.load();
    if (memory.last_ms != null && this._core.clock() - memory.last_ms > this._timeout) this._end(memory);
    return memory;
  }

  private _end(memory: Memory): void {
    delete memory.session_id;
    delete memory.last_ms;
    delete memory.campaign;
    if (!this._shared) return;
    delete memory.identifiers;
    if (this._consent) memory.consent = this._consent;
    else delete memory.consent;
  }

  /** Makes an event and queues it. */
  private _say(
    type: EventType,
    name: string,
    properties?: Properties,
    tags: Tags = {},
    also: object = {},
    given?: Memory,
  ): boolean {
    const core = this._core;
    return this._guarded(type, name, () => {
      const id = core.device(); // may make one, which is then remembered too; and after a withdrawal there is another
      const memory = given || this._memory();
      if (typeof name != "string" || (!name && (type == "track" || type == "screen"))) throw invalid("name");
      if (properties && (typeof properties != "object" || Array.isArray(properties)))
        throw invalid("properties");
      const { user, email, phone, identifiers, device_id, device, page, campaign, occurred_at, event_id, ...texts } = tags;
      if (type != "consent" && core.unsaid(memory.consent)) return false;
      if (event_id && !UUID.test(event_id)) throw invalid("event_id");
      const fixed = this._fixed;
      const ms = core.clock();
      const event: Record<string, unknown> = {
        event_id: event_id || newId(ms),
        type,
        name: name || undefined,
        occurred_at: (occurred_at || new Date(ms)).toISOString(),
        device: device_id == null ? device || fixed.device : { ...device, id: identifierText("device_id", device_id) },
        identifiers: nonEmpty(this._clean({ ...identifiers, user, email, phone })) || nonEmpty(memory.identifiers),
        channel: fixed.channel,
        session_id: memory.session_id,
        page: part("page", page) || fixed.page || core.page?.(),
        campaign: part("campaign", campaign) || memory.campaign,
        consent: nonEmpty(memory.consent),
        properties: properties || undefined,
        ...also,
      };
      for (const tag in texts) {
        const value = texts[tag as keyof typeof texts];
        if (value == null) continue;
        if (!/^(channel|stage|session_id)$/.test(tag) || typeof value != "string" || !value) throw invalid(tag);
        event[tag] = value;
      }
      if (this._timeout && !event.session_id) event.session_id = memory.session_id = newId(ms);
      if (this._timeout) memory.last_ms = ms;
      const own = event.device ? undefined : id;
      if (own) event.seq = core.seq?.();
      // A text that was cut within an emoji has half of a surrogate pair, which no JSON reader has to take.
      const line = JSON.stringify(event).replace(/\\(ud[89a-f]..|.)/g, (escape) => (escape[3] ? "\\ufffd" : escape));
      this._keeper.save(memory);
      const bytes = utf8(line).length;
      if (bytes > MAX_EVENT_BYTES || deeper(properties, MAX_DEPTH)) {
        core.losses.count("too_large", { type, name });
        return false;
      }
      return core.sender.add({ id: event.event_id as string, head: core.head(id), line, bytes, own });
    });
  }

  /** Nothing that goes wrong here may reach the page. */
  private _guarded(type: string, name: unknown, run: () => boolean): boolean {
    try {
      return run();
    } catch (error) {
      this._core.losses.count("invalid", { type, name }, `${error}`);
      return false;
    }
  }
}

/** Returns the object, or undefined where it has no members: what is not known is left out. */
export function nonEmpty<T extends object>(value: T | undefined): T | undefined {
  for (const _ in value) return value;
  return undefined;
}

/** Says whether a value that was encoded, so has no circle, is nested deeper. */
const deeper = (value: unknown, levels: number): boolean =>
  !!value && typeof value == "object" && (!levels || Object.values(value).some((inner) => deeper(inner, levels - 1)));

/** Returns a page or campaign without what is not known. */
function part(field: keyof typeof PARTS, given: object | undefined): object | undefined {
  if (given == null) return undefined;
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(given)) {
    if (value == null) continue;
    if (!PARTS[field].test(name) || typeof value != "string") throw invalid(`${field}.${name}`);
    kept[name] = value;
  }
  return kept;
}
