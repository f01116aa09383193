/**
 * Who an event is about: a value that names nobody never becomes an identifier.
 *
 * E-mails and phone numbers are the business of `contacts.ts`, which small pages leave out.
 */

import { added } from "./added";
import type { Identifiers } from "./event";

// What programs use for "no one"; the last alternative is the empty text, "0" and switched-off advertising ids.
const NOBODY = /^(null|none|nil|undefined|nan|unknown|anonymous|guest|test|\[object object]|[0-]*)$/i;
const SHA256 = /^[0-9a-f]{64}$/i;

/** Without `contacts.ts` only those contacts are taken that somebody hashed before, or that the collector is to hash. */
const hashed = (_: string, text: string, hash: boolean): string | undefined =>
  SHA256.test(text) ? text.toLowerCase() : hash ? undefined : text;

/** A value of a call that cannot be sent, by its field: what it must be stands in javascript.md. Never leaves this SDK: it is counted, and shown with `debug`. */
export const invalid = (field: string): Error => new TypeError(field);

/** Returns a text, whole number or bigint as text. */
export function identifierText(field: string, value: unknown): string {
  if (typeof value == "string") return value.trim();
  if (typeof value == "bigint" || Number.isSafeInteger(value)) return `${value}`;
  throw invalid(field);
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
          ? (added.contact || hashed)(namespace, text, hash)
          : text;
    if (kept) who[namespace] = kept;
    else refuse(namespace);
  }
  return who;
}
