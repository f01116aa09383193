/**
 * The calls, and the making of events: one device in one channel, and the person who is using it.
 *
 * No call blocks, and none throws: what cannot be sent is counted, and the call returns false.
 */

import { checked, tooDeep } from "./checks";
import type { Consent, Device, EventType, Identifiers, IdentifierValue, Page, Properties, Tags, TagsAndProperties } from "./event";
import { MAX_EVENT_BYTES } from "./event";
import { demand, nonEmpty } from "./identifiers";
import { newId } from "./ids";
import type { Losses } from "./losses";
import type { Keeper, Memory } from "./memory";
import type { Sender } from "./sender";

/** The calls. Each returns true when its event is queued, false when it is lost, which is counted by reason. */
export interface Calls {
  /** Says that something happened. */
  track(name: string, properties?: Properties, tags?: Tags): boolean;
  /** Says that a page was seen; in a browser, the one that is open. */
  page(name?: string, properties?: Properties, tags?: Tags): boolean;
  /** Says that a screen of an app or a machine was seen. */
  screen(name: string, properties?: Properties, tags?: Tags): boolean;
  /** Says who is using the device; later events carry it until `logout`. Another `user` begins with nobody known. */
  identify(user?: IdentifierValue, tags?: TagsAndProperties): boolean;
  /** Says that this side (device and person of the event) and the other are one person. */
  link(linked: Identifiers, tags?: TagsAndProperties): boolean;
  /** Says that this side and the other are not one person, whatever older evidence says. */
  unlink(linked: Identifiers, tags?: TagsAndProperties): boolean;
  /** Says that the person left; forgets who it was and begins another session. */
  logout(properties?: Properties, tags?: Tags): boolean;
  /** Says what the person allows; later events carry it. */
  consent(purposes: Consent, tags?: TagsAndProperties): boolean;
}

export interface Speaker extends Calls {
  /** Who it is, as on the wire: contacts are hashed. */
  readonly identifiers: Record<string, string>;
  /** The session; undefined before its first event and after `logout`. */
  readonly session_id: string | undefined;
}

/** What the speakers of one client share. */
export interface Core {
  _sender: Sender;
  _losses: Losses;
  _clock?: (() => number) | undefined;
  /** Returns the identifiers that name somebody; the others are counted. */
  _clean(given: Identifiers): Record<string, string> | undefined;
  /** The id of this client's device; one that is made is put into the memory. */
  _device(memory: Memory): string;
  /** The batch members of this client's events: device and channel. */
  _head(id: string): string;
  /** Whether nothing may be stored or sent. */
  _unsaid(consent: Consent | undefined): unknown;
  /** Called when a consent, or its withdrawal, was said. */
  _agreed(): unknown;
  /** The page where it happens; undefined on a server. */
  _page(): Page | undefined;
  /** The next number of this device, where it is counted in memory. */
  _seq?: (() => number) | undefined;
}

/** Whose events they are: what every one of them carries, and when a person is forgotten. */
export interface Fixed {
  device?: Device | undefined;
  channel?: string | undefined;
  page?: Page | undefined;
  /** Milliseconds of silence that end a session; without it there is none of its own. */
  _timeout?: number;
  /** Strangers follow each other: silence and logout forget the person, and what was agreed to. */
  _shared?: boolean;
  /** What holds for each of them. */
  _consent?: Consent | undefined;
}

/** @param prototype whose instance the speaker is */
export const speakerOf = (prototype: object, core: Core, keeper: Keeper, fixed: Fixed): Speaker => {
  const { _losses: losses, _clean: cleaned } = core;
  const { _timeout: timeout } = fixed;
  const clock = (WHOLE && core._clock) || Date.now;

  const end = (memory: Memory): void => {
    memory.session_id = memory.last_ms = memory.campaign = undefined;
    if (!fixed._shared) return;
    memory.identifiers = undefined;
    memory.consent = fixed._consent;
  };

  /** Returns what is known now; a session that was silent for too long is over. */
  const remembered = (): Memory => {
    const memory = keeper._load();
    if (clock() - memory.last_ms! > timeout!) end(memory);
    return memory;
  };

  /** Makes an event and queues it. */
  const say = (type: EventType, properties?: Properties, tags: Tags = {}, also: { name?: string } = {}, memory = remembered()): boolean => {
    const { user, email, phone, identifiers, device_id, device, occurred_at, event_id, ...rest } = WHOLE
      ? checked(type, also.name, properties, tags)
      : tags;
    if (type != "consent" && core._unsaid(memory.consent)) return false;
    const own = core._device(memory);
    const ms = clock();
    const id = event_id || newId(ms);
    const elsewhere = device_id == null ? (WHOLE ? device || fixed.device : device) : { ...device, id: `${device_id}` };
    if (!WHOLE || timeout) {
      memory.last_ms = ms;
      if (!rest.session_id) memory.session_id ||= newId(ms);
    }
    const event = {
      ...rest,
      event_id: id,
      type,
      occurred_at: (occurred_at || new Date(ms)).toISOString(),
      device: elsewhere,
      identifiers: cleaned({ ...identifiers, user, email, phone }) || memory.identifiers,
      ...(WHOLE && { channel: rest.channel || fixed.channel }),
      session_id: rest.session_id || memory.session_id,
      page: rest.page || (WHOLE && fixed.page) || core._page(),
      campaign: rest.campaign || memory.campaign,
      consent: nonEmpty(memory.consent),
      properties: properties || undefined,
      ...also,
    };
    // A text that was cut within an emoji has half of a surrogate pair, which no JSON reader has to take.
    const line = JSON.stringify(event).replace(/\\(ud[89a-f]..|.)/g, (escape) => (escape[3] ? "\\ufffd" : escape));
    keeper._save(memory);
    // A page says little, and a Blob counts its bytes in fewer of the script's own.
    const bytes = WHOLE ? new TextEncoder().encode(line).length : new Blob([line]).size;
    if (bytes > MAX_EVENT_BYTES || (WHOLE && tooDeep(properties))) {
      losses._count("too_large", ...(WHOLE ? [{ event: { type, ...also } }] : []));
      return false;
    }
    return core._sender._add({ id, head: core._head(own), line, bytes, n: elsewhere ? id : WHOLE ? core._seq?.() : undefined });
  };

  const named = (type: EventType) => (name?: string, properties?: Properties, tags?: Tags): boolean =>
    say(type, properties, tags, { name: name || undefined });

  const relate = (type: EventType) => (other: Identifiers, { properties, ...tags }: TagsAndProperties = {}): boolean => {
    const linked = cleaned(other);
    demand(linked, "linked");
    return say(type, properties, tags, { linked } as object);
  };

  const speaker = {
    __proto__: prototype,
    get identifiers() {
      return { ...remembered().identifiers };
    },
    get session_id() {
      return remembered().session_id;
    },
  } as unknown as Speaker;

  const calls: Calls = {
    track: named("track"),
    page: named("page"),
    screen: named("screen"),
    identify(user, { properties, email, phone, identifiers, user: other, ...tags } = {}) {
      const who = cleaned({ ...identifiers, email, phone, user: user ?? other });
      demand(who, "user");
      const memory = remembered();
      const known = memory.identifiers;
      // Another login is another person: what was known of the last one must not stick to this one.
      memory.identifiers = who!.user && known?.user && who!.user != known.user ? who : { ...known, ...who };
      keeper._save(memory);
      return say("identify", properties, tags, {}, memory);
    },
    link: relate("link"),
    unlink: relate("unlink"),
    logout(properties, tags) {
      const queued = say("logout", properties, tags);
      const memory = remembered();
      const { session_id } = memory;
      end(memory);
      memory.identifiers = undefined;
      if (WHOLE && session_id && !timeout) memory.session_id = newId(clock());
      keeper._save(memory);
      return queued;
    },
    consent(purposes, { properties, ...tags } = {}) {
      demand(nonEmpty(purposes) && Object.values(purposes).every((given) => typeof given == "boolean"), "consent");
      const memory = remembered();
      const before = memory.consent;
      const consent = (memory.consent = { ...before, ...purposes });
      const unsaid = core._unsaid(consent);
      // A withdrawal is the last thing that is said; what was never allowed is not even refused aloud.
      const queued = !(unsaid && core._unsaid(before)) && say("consent", properties, tags, {}, memory);
      keeper._save(unsaid ? { consent, wait: memory.wait } : memory);
      if (queued) core._agreed();
      return queued;
    },
  };
  for (const type in calls)
    (speaker as any)[type] = (...given: any[]): boolean => {
      try {
        return (calls as any)[type](...given);
      } catch (error) {
        losses._count("invalid", ...(WHOLE ? [{ event: { type, name: /track|page|screen/.test(type) ? given[0] : "" }, message: `${error}` }] : []));
        return false;
      }
    };
  return speaker;
};
