/**
 * Who an event is about: cleaned, brought to one spelling and hashed before anything leaves.
 *
 * Held to `sdk/spec/vectors/normalisation.json` and `hashing.json`. A value that names nobody never becomes an identifier.
 */

import type { Identifiers } from "./event";
import { sha256Hex } from "./sha256";

// What programs use for "no one"; the last alternative is the empty text, "0" and switched-off advertising ids.
const NOBODY = /^(null|none|nil|undefined|nan|unknown|anonymous|guest|test|\[object object]|[0-]*)$/i;
const SHA256 = /^[0-9a-f]{64}$/;
const EMAIL = /^[^@\s]+@[^@\s.]+(\.[^@\s.]+)+$/;
const NOBODYS_EMAIL =
  /^((no[-_]?reply|donotreply|do-not-reply|info|mailer-daemon|postmaster|webmaster|abuse)@|(test@test|(test|email|user)@example)\.com$)/;
const PHONE_FILLERS = /\(0\)|[\s().\-/\u2010-\u2015]/g;
// E.164: at most 15 digits and no leading zero; below 7 digits it cannot be an international number.
const PHONE = /^\+[1-9][0-9]{6,14}$/;

let nothing: string[] | undefined;

/** A value of a call that cannot be sent. Never leaves this SDK: it is counted, and shown with `debug`. */
export function invalid(field: string, expected: string): Error {
  return new TypeError(`${field}: pass ${expected}`);
}

/** Returns a text, whole number or bigint as text. */
export function identifierText(field: string, value: unknown): string {
  if (typeof value == "string") return value.trim();
  if (typeof value == "bigint" || Number.isSafeInteger(value)) return `${value}`;
  throw invalid(field, "a text or a whole number");
}

/** Returns the one spelling of an e-mail address, or undefined where it names nobody. */
function email(text: string): string | undefined {
  text = text.toLowerCase();
  return EMAIL.test(text) && !NOBODYS_EMAIL.test(text) ? text : undefined;
}

/** Returns a phone number as E.164, or undefined when it is no possible international number. */
function phone(text: string): string | undefined {
  text = text.replace(PHONE_FILLERS, "").replace(/^00/, "+");
  return PHONE.test(text) ? text : undefined;
}

/** Returns the hash of a contact, or the contact itself where `hash` is false; undefined where it names nobody. */
function contact(namespace: string, text: string, hash: boolean): string | undefined {
  const lower = text.toLowerCase();
  if (SHA256.test(lower)) {
    // What a careless integration hashes when there is no address.
    nothing ||= ["", "null", "none", "undefined", "None"].map(sha256Hex);
    return nothing.includes(lower) ? undefined : lower;
  }
  const normal = namespace == "email" ? email(text) : phone(text);
  return normal && hash ? sha256Hex(normal) : normal;
}

/**
 * Returns the identifiers that name somebody, by namespace.
 * @param refuse called with each namespace whose value names nobody
 */
export function clean(
  given: Identifiers,
  hash: boolean,
  refuse: (namespace: string) => void,
): Record<string, string> {
  const who: Record<string, string> = {};
  for (const namespace in given) {
    const value = given[namespace];
    if (value == null) continue; // "I do not know who" is a common call; it claims nothing
    const text = identifierText(namespace, value);
    const kept =
      NOBODY.test(text) || !namespace
        ? undefined
        : namespace == "email" || namespace == "phone"
          ? contact(namespace, text, hash)
          : text;
    if (kept) who[namespace] = kept;
    else refuse(namespace);
  }
  return who;
}
