/** What was lost, by reason: counted, told to the host, and reported to the collector with the next batch. */

import type { Drop } from "./event";
import { newId } from "./ids";

export class Losses {
  /** All losses since the start, by reason. */
  readonly totals: Record<string, number> = {};
  private _unreported: Record<string, number> = {};
  private _report = "";

  constructor(
    private _onDrop?: (drop: Drop) => void,
    private _debug?: boolean,
  ) {}

  /** Counts one loss and shows it to the host, whose errors stay here. */
  count(reason: string, event: Record<string, unknown> = {}, message = "", path = ""): void {
    this.totals[reason] = (this.totals[reason] || 0) + 1;
    this._unreported[reason] = (this._unreported[reason] || 0) + 1;
    if (this._debug) console.warn("stitchline:", reason, message); // never the event: it is about somebody
    try {
      this._onDrop?.({ reason, event, message, path });
    } catch {
      // the host's callback must not stop delivery
    }
  }

  /** Returns the report for the next batch: the same bytes until a collector has it; empty when there is nothing to say. */
  report(ms: number): string {
    const properties = this._unreported;
    if (!this._report && Object.keys(properties).length) {
      const occurred_at = new Date(ms).toISOString();
      this._report = JSON.stringify({ event_id: newId(ms), type: "track", name: "stitchline_loss", occurred_at, properties });
      this._unreported = {};
    }
    return this._report;
  }

  /** Forgets what the collector has been told. */
  delivered(): void {
    this._report = "";
  }
}
