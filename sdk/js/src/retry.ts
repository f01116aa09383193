/** What an answer means for its batch, and how long to wait: held to `sdk/spec/vectors/retry.json`. */

/** The longest `Retry-After` that is kept. */
export const MAX_RETRY_AFTER_MS = 300_000;

/**
 * Says what becomes of a batch: `delivered`, `retry`, `split`, or it is dropped for any other reason, which is a loss.
 * @param status HTTP status; 0 for no answer, half of one, or a redirect that was not followed
 * @param reply whether the body is a collector's: anybody else's 200 (a captive portal) acknowledges nothing
 * @param events in the batch
 * @param keeps whether undelivered events outlive the page
 */
export const decide = (status: number, reply: boolean, events: number, keeps: boolean): string =>
  reply && status == 200
    ? "delivered"
    : status == 413
      ? events > 1 ? "split" : "too_large"
      : /^[^4]|08|2[59]/.test(`${status}`) || (keeps && /40[134]/.test(`${status}`))
        ? "retry"
        : /40[13]/.test(`${status}`) ? "unauthorized" : status == 404 ? "not_found" : "refused";

/**
 * Returns the milliseconds that the other side asks to wait, or NaN.
 * @param header seconds or an HTTP date (RFC 9110, section 10.2.3)
 */
export const askedMs = (header: string | null | undefined, now_ms: number): number => {
  const text = header!; // where there is none, this is no number and no date
  const asked = /^\d+$/.test(text) ? +text * 1000 : /GMT$/.test(text) ? Date.parse(text) - now_ms : NaN;
  return Math.min(Math.max(asked, 0), MAX_RETRY_AFTER_MS);
};

/**
 * Returns the milliseconds to wait: exponential, with full jitter.
 * @param failures in a row, from 1
 */
export const backoffMs = (failures: number, base_s: number, max_s: number): number =>
  Math.random() * Math.min(max_s, base_s * 2 ** (failures - 1)) * 1000;
