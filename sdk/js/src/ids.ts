/** UUIDv7 (RFC 9562): rising within one source, also within a millisecond and when the clock steps back a little. */

// A clock corrected by more than this starts afresh: ids must not stay in a wrong future for ever.
const MAX_STEP_BACK_MS = 10_000;

let last = -1;
let count = 0;
let tail = "";

export const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0");

/**
 * Returns the next id.
 * @param ms now, milliseconds since 1970
 */
export function newId(ms: number): string {
  if (ms > last || ms < last - MAX_STEP_BACK_MS) begin(ms);
  else if (++count > 0xfff) begin(last + 1);
  const time = hex(last, 12);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${hex(count, 3)}-${tail}`;
}

/** Begins a millisecond: the counter starts at random in its lower half, to leave room. */
function begin(ms: number): void {
  const drawn = crypto.getRandomValues(new Uint16Array(5)) as unknown as [number, number, number, number, number];
  last = ms;
  count = drawn[0] & 0x7ff;
  tail = `${hex(0x8000 | (drawn[1] & 0x3fff), 4)}-${hex(drawn[2], 4)}${hex(drawn[3], 4)}${hex(drawn[4], 4)}`;
}
