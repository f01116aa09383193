/**
 * SHA-256 (FIPS 180-4) at once: `crypto.subtle` answers later, and not at all on pages without TLS, while an e-mail address
 * must be hashed before `identify` returns.
 */

const primes: number[] = [];
const K: number[] = [];
const H: number[] = [];

/** The constants are the first 32 bits of the fractions of roots of primes: shorter to compute than to ship. */
function constants(): void {
  const fraction = (root: number): number => ((root % 1) * 2 ** 32) | 0;
  for (let n = 2; K.length < 64; n++) {
    if (primes.every((prime) => n % prime)) {
      primes.push(n);
      if (H.length < 8) H.push(fraction(Math.sqrt(n)));
      K.push(fraction(Math.cbrt(n)));
    }
  }
}

const rotated = (word: number, bits: number): number => (word >>> bits) | (word << (32 - bits));

/** Returns the 32 bytes of the hash of a message below 512 MB. */
export function sha256(message: Uint8Array): Uint8Array {
  if (!K.length) constants();
  const length = message.length;
  const padded = new Uint8Array((((length + 8) >> 6) + 1) << 6);
  padded.set(message);
  padded[length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 4, length * 8);
  const state = H.slice();
  const w: number[] = [];
  for (let at = 0; at < padded.length; at += 64) {
    let [a, b, c, d, e, f, g, h] = state as [number, number, number, number, number, number, number, number];
    for (let i = 0; i < 64; i++) {
      if (i < 16) w[i] = view.getInt32(at + i * 4);
      else {
        const x = w[i - 15]!;
        const y = w[i - 2]!;
        const s0 = rotated(x, 7) ^ rotated(x, 18) ^ (x >>> 3);
        const s1 = rotated(y, 17) ^ rotated(y, 19) ^ (y >>> 10);
        w[i] = (w[i - 16]! + s0 + w[i - 7]! + s1) | 0;
      }
      const choice = (e & f) ^ (~e & g);
      const t1 = (h + (rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25)) + choice + K[i]! + w[i]!) | 0;
      const majority = (a & b) ^ (a & c) ^ (b & c);
      const t2 = ((rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22)) + majority) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + t1) | 0;
      d = c;
      c = b;
      b = a;
      a = (t1 + t2) | 0;
    }
    [a, b, c, d, e, f, g, h].forEach((word, i) => {
      state[i] = (state[i]! + word) | 0;
    });
  }
  const hash = new DataView(new ArrayBuffer(32));
  state.forEach((word, i) => hash.setInt32(i * 4, word));
  return new Uint8Array(hash.buffer);
}

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Returns the SHA-256 of the text's UTF-8 bytes as 64 lower-case hex digits. */
export const sha256Hex = (text: string): string => Array.from(sha256(utf8(text)), (byte) => byte.toString(16).padStart(2, "0")).join("");
