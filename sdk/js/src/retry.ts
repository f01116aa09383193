/** What an answer means for its batch, and how long to wait: held to `sdk/spec/vectors/retry.json`. */

export type Decision = "delivered" | "retry" | "split" | "drop";

const MAX_RETRY_AFTER_S = 300;

/**
 * Says what becomes of a batch, and the reason where it is a loss.
 * @param status HTTP status; 0 for no answer, half of one, or a redirect that was not followed
 * @param reply whether the body is a collector's: anybody else's 200 (a captive portal) acknowledges nothing
 * @param events in the batch
 * @param keeps whether undelivered events outlive the page
 */
export function decide(status: number, reply: boolean, events: number, keeps: boolean): [Decision, string] {
  if (status == 200 && reply) return ["delivered", ""];
  if (status == 413) return events > 1 ? ["split", ""] : ["drop", "too_large"];
  const misconfigured = status == 404 ? "not_found" : status == 401 || status == 403 ? "unauthorized" : "";
  if (misconfigured) return keeps ? ["retry", ""] : ["drop", misconfigured];
  const notNow = status < 400 || status >= 500 || [408, 425, 429].includes(status);
  return notNow ? ["retry", ""] : ["drop", "refused"];
}

/**
 * Returns the milliseconds that the other side asks to wait, or undefined.
 * @param header seconds or an HTTP date (RFC 9110, section 10.2.3)
 */
export function askedMs(header: string | null | undefined, now_ms: number): number | undefined {
  const text = (header || "").trim();
  const asked = /^\d+$/.test(text) ? +text * 1000 : / GMT$/.test(text) ? Date.parse(text) - now_ms : NaN;
  return isNaN(asked) ? undefined : Math.min(Math.max(asked, 0), MAX_RETRY_AFTER_S * 1000);
}

/**
 * Returns the milliseconds to wait: exponential, with full jitter.
 * @param failures in a row, from 1
 */
export function backoffMs(failures: number, base_s: number, max_s: number): number {
  return Math.random() * Math.min(max_s, base_s * 2 ** (failures - 1)) * 1000;
}
