/** What a page can say, and what goes over the wire: one snake_case name everywhere, as in protocol.md. */

export type EventType = "track" | "page" | "screen" | "identify" | "link" | "unlink" | "logout" | "consent";

export type DeviceType =
  | "phone" | "tablet" | "desktop" | "tv" | "watch" | "car" | "kiosk" | "atm" | "pos" | "server" | "other";

/** An identifier as an app holds it; numbers are whole. Null and undefined claim nothing. */
export type IdentifierValue = string | number | bigint | null | undefined;
export type Identifiers = Record<string, IdentifierValue>;
export type Consent = Record<string, boolean>;
/** JSON values of your own; copied at once, so that later changes do not reach the event. */
export type Properties = Record<string, unknown>;

export interface Device {
  id?: string;
  type?: DeviceType;
  os?: string;
  os_version?: string;
  manufacturer?: string;
  model?: string;
  app_version?: string;
  locale?: string;
  timezone?: string;
  screen_width?: number;
  screen_height?: number;
}

export interface Page {
  url?: string;
  title?: string;
  referrer?: string;
}

export interface Campaign {
  source?: string;
  medium?: string;
  name?: string;
  term?: string;
  content?: string;
  click_id?: string;
}

/** Who it is about. E-mails and phone numbers are hashed before they leave. */
export interface Who {
  user?: IdentifierValue;
  email?: string | null;
  phone?: string | null;
  /** Any other namespaces, e.g. `{loyalty: "L-77"}`. */
  identifiers?: Identifiers;
}

/** What any call may say about its event, instead of what the client or scope says. */
export interface Tags extends Who {
  channel?: string;
  /** Journey stage, e.g. `consideration`, or a word of your own. */
  stage?: string;
  session_id?: string;
  /** The device, where the event happened on another one. */
  device_id?: IdentifierValue;
  device?: Device;
  page?: Page;
  campaign?: Campaign;
  /** When it happened; now when left out. */
  occurred_at?: Date;
  /** A UUID of your own, so that a repeated call is one event. */
  event_id?: string;
}

/** Calls whose first argument is not `properties` take them here. */
export type TagsAndProperties = Tags & { properties?: Properties };

/** One event that will not arrive, as given to `on_drop`. */
export interface Drop {
  reason: string;
  event: Record<string, unknown>;
  message: string;
  path: string;
}

export const MAX_EVENT_BYTES = 65_536;
