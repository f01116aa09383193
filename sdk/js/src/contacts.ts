/**
 * E-mails and phone numbers: brought to one spelling and hashed before anything leaves.
 *
 * Held to `sdk/spec/vectors/normalisation.json` and `hashing.json`.
 */

import { sha256Hex } from "./sha256";

const SHA256 = /^[0-9a-f]{64}$/;
const EMAIL = /^[^@\s]+@[^@\s.]+(\.[^@\s.]+)+$/;
const NOBODYS_EMAIL =
  /^((no[-_]?reply|donotreply|do-not-reply|info|mailer-daemon|postmaster|webmaster|abuse)@|(test@test|(test|email|user)@example)\.com$)/;
const PHONE_FILLERS = /\(0\)|[\s().\-/\u2010-\u2015]/g;
// E.164: at most 15 digits and no leading zero; below 7 digits it cannot be an international number.
const PHONE = /^\+[1-9][0-9]{6,14}$/;

let nothing: string[] | undefined;

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
export function contact(namespace: string, text: string, hash: boolean): string | undefined {
  const lower = text.toLowerCase();
  if (SHA256.test(lower)) {
    // What a careless integration hashes when there is no address.
    nothing ||= ["", "null", "none", "undefined", "None"].map(sha256Hex);
    return nothing.includes(lower) ? undefined : lower;
  }
  const normal = namespace == "email" ? email(text) : phone(text);
  return normal && hash ? sha256Hex(normal) : normal;
}
