/** What was lost, by reason: counted, told to the host, and reported to the collector with the next batch. */

import type { Drop } from "./event";
import { newId } from "./ids";
import { warn } from "./quietly";
import type { Options } from "./settings";

export interface Losses {
  /** All losses since the start, by reason. */
  _totals: Record<string, number>;
  /** Counts one loss and shows it to the host, whose errors stay here. */
  _count(reason: string, drop?: Partial<Drop>): void;
  /** Returns the report for the next batch: the same bytes until a collector has it; nothing when there is nothing to say. */
  _report(ms: number): string[];
  /** Forgets what the collector has been told. */
  _delivered(): void;
}

export const lossesOf = (options: Options): Losses => {
  const totals: Record<string, number> = {};
  let unreported: Record<string, number> | undefined;
  let report: string[] = [];
  return {
    _totals: totals,
    _count(reason, drop) {
      unreported ||= {};
      for (const counts of [totals, unreported]) counts[reason] = (counts[reason] || 0) + 1;
      if (!WHOLE) return;
      if (options.debug) warn(reason, drop?.message || "");
      try {
        options.on_drop?.({ event: {}, message: "", path: "", ...drop, reason });
      } catch {
        // the host's callback must not stop delivery
      }
    },
    _report(ms) {
      if (!report[0] && unreported) {
        const occurred_at = new Date(ms).toISOString();
        report = [JSON.stringify({ event_id: newId(ms), type: "track", name: "stitchline_loss", occurred_at, properties: unreported })];
        unreported = undefined;
      }
      return report;
    },
    _delivered() {
      report = [];
    },
  };
};
