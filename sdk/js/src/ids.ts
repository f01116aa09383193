/** UUIDv7 (RFC 9562): rising within one source, also within a millisecond and when the clock steps back a little. */

// 4,096 ids fit into a millisecond; the next one borrows from the millisecond after.
const COUNT_BITS = 12n;
// A clock corrected by more than 10 s starts afresh: ids must not stay in a wrong future for ever.
const MAX_STEP_BACK = 10_000n << COUNT_BITS;

let last = 0n;

/**
 * Returns the next id.
 * @param ms now, milliseconds since 1970
 */
export const newId = (ms: number): string => {
  const at = BigInt(WHOLE ? Math.floor(ms) : ms) << COUNT_BITS;
  last = at > last || at < last - MAX_STEP_BACK ? at : last + 1n;
  // 15 digits of time and count, 16 at random, of which one makes room for the variant.
  const digits = ((last << 64n) + crypto.getRandomValues(new BigUint64Array(1))[0]!).toString(16).padStart(31, "0");
  return digits.replace(/(.{8})(.{4})(...).(...)/, "$1-$2-7$3-8$4-");
};
