/**
 * Who an event is about: a value that names nobody never becomes an identifier.
 *
 * E-mails and phone numbers are the business of `contacts.ts`, which the core leaves out.
 */

import { contact } from "./contacts";
import type { Identifiers } from "./event";

// What programs use for "no one"; the last alternative is the empty text, "0" and switched-off advertising ids.
const NOBODY = /^(null|none|nil|undefined|nan|unknown|anonymous|guest|test|\[object object]|[0-]*)$/i;

/** Returns the object, or undefined where it has no members: what is not known is left out. */
export const nonEmpty = <T extends object>(value: T | undefined): T | undefined => {
  for (const _ in value) return value;
  return undefined;
};

/** In the core only those contacts are taken that somebody hashed before. */
const hashed = (text: string): string | undefined => (/^[0-9a-f]{64}$/i.test(text) ? text.toLowerCase() : undefined);

/** Refuses a call with a value that cannot be sent, by its field: what it must be stands in javascript.md. It is counted, and shown with `debug`. */
export const demand = (ok: unknown, field: string): void => {
  if (!ok) throw field;
};

/** Returns a text, whole number or bigint as text. */
export const identifierText = (field: string, value: unknown): string => {
  demand(typeof value == "string" || typeof value == "bigint" || Number.isSafeInteger(value), field);
  return `${value}`.trim();
};

/**
 * Returns the identifiers that name somebody, by namespace; undefined where there are none.
 * @param refuse called with each namespace whose value names nobody
 * @param hash whether contacts are hashed; false leaves that to the collector
 */
export const clean = (given: Identifiers, refuse: (namespace: string) => void, hash?: boolean): Record<string, string> | undefined => {
  const who: Record<string, string> = {};
  for (const namespace in given) {
    const value = given[namespace];
    if (value == null) continue; // "I do not know who" is a common call; it claims nothing
    let text: string | undefined = identifierText(namespace, value);
    if (NOBODY.test(text) || !namespace) text = undefined;
    else if (/^(email|phone)$/.test(namespace)) text = WHOLE ? contact(namespace, text, hash != false) : hashed(text);
    if (text) who[namespace] = text;
    else refuse(namespace);
  }
  return nonEmpty(who);
};
