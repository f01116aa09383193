/**
 * Link tokens: one side of a `link`, carried to another device by a deep link, an e-mail or a QR code.
 *
 * Signed with a key that all ends know. In a page that key is public, and the signature shows that the token is whole, not
 * who made it; between servers it shows both (protocol P-13). Held to `sdk/spec/vectors/link_tokens.json`.
 */

import { withoutToken } from "./address";
import type { Client } from "./client";
import type { Identifiers } from "./event";
import { clean } from "./identifiers";
import { sha256, utf8 } from "./sha256";

/** Takes the link token (`_stl=...`) out of an address: the first counts, all go. */
export function take_link_token(url: string): { token: string | null; url: string } {
  return { token: /[?&]_stl=([^&#]*)/.exec(url)?.[1] ?? null, url: withoutToken(url) };
}

const MAX_LIFE_S = 2_592_000;
const CLOCKS_DIFFER_S = 120;
const MIN_KEY_BYTES = 16;
const BLOCK = 64;

export interface Linked {
  linked: Record<string, string>;
  via: string;
}

/**
 * Makes a token.
 * @param linked this side, e.g. `{device: id}`; contacts are hashed
 * @param key the link key, at least 16 bytes
 * @param life_s seconds it is good for, up to 30 days
 * @returns undefined where `linked` names nobody, or the life or the key is out of bounds
 */
export function make_link_token(
  linked: Identifiers,
  key: string,
  { via, life_s = 300, now_s = Math.floor(Date.now() / 1000) }: { via?: string; life_s?: number; now_s?: number } = {},
): string | undefined {
  const who = clean(linked, () => {});
  if (!who || !(life_s > 0 && life_s <= MAX_LIFE_S) || utf8(key).length < MIN_KEY_BYTES) return undefined;
  return signed(base64url(utf8(JSON.stringify({ iat: now_s, exp: now_s + life_s, linked: who, via }))), key);
}

/** Returns the token of a payload that is encoded already. */
export function signed(payload: string, key: string): string {
  const text = `st1.${payload}`;
  return `${text}.${base64url(hmac(utf8(key), utf8(text)).slice(0, 16))}`;
}

/**
 * Reads a token.
 * @param own_device the receiver's device: what it made itself links nothing
 * @returns the other side, for `link(linked, {properties: {via}})`; undefined where it must not be linked
 */
export function read_link_token(
  token: string,
  key: string,
  { own_device, now_s = Date.now() / 1000 }: { own_device?: string; now_s?: number } = {},
): Linked | undefined {
  const payload = /^st1\.([\w-]+)\.[\w-]{22}$/.exec(token)?.[1];
  if (!payload || utf8(key).length < MIN_KEY_BYTES || !same(signed(payload, key), token)) return undefined;
  try {
    const { iat, exp, linked, via } = JSON.parse(fromBase64url(payload));
    const lasts = Number.isFinite(iat) && Number.isFinite(exp) && exp > iat && exp - iat <= MAX_LIFE_S;
    if (!lasts || now_s < iat - CLOCKS_DIFFER_S || now_s > exp + CLOCKS_DIFFER_S) return undefined;
    const who = clean(linked, () => {});
    return who && !(own_device && who.device == own_device) ? { linked: who, via: typeof via == "string" ? via : "" } : undefined;
  } catch {
    return undefined; // signed, but not by a client that keeps to the protocol
  }
}

/** Compares in a time that does not tell where two texts differ. */
function same(one: string, other: string): boolean {
  let different = one.length ^ other.length;
  for (let at = 0; at < one.length; at++) different |= one.charCodeAt(at) ^ other.charCodeAt(at);
  return !different;
}

/** HMAC-SHA256 (RFC 2104). */
function hmac(key: Uint8Array, message: Uint8Array): Uint8Array {
  const padded = new Uint8Array(BLOCK);
  padded.set(key.length > BLOCK ? sha256(key) : key);
  const with_ = (pad: number, text: Uint8Array): Uint8Array => {
    const whole = new Uint8Array(BLOCK + text.length);
    padded.forEach((byte, at) => (whole[at] = byte ^ pad));
    whole.set(text, BLOCK);
    return sha256(whole);
  };
  return with_(0x5c, with_(0x36, message));
}

const base64url = (bytes: Uint8Array): string =>
  btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");

const fromBase64url = (text: string): string =>
  new TextDecoder("utf-8", { fatal: true }).decode(
    Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (char) => char.charCodeAt(0)),
  );

/** Reads a link token out of the page's address, and returns what says it. */
export function linkOfAddress(client: Client, key: string): (() => void) | undefined {
  const { token } = take_link_token(location.href);
  const found = token && read_link_token(token, key, { own_device: client.device.id });
  if (found) return () => client.link(found.linked, { properties: { via: found.via || undefined } });
  return undefined;
}
