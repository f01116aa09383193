package stitchline;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What was lost, by reason: counted, shown to the app, and reported to the collector.
 *
 * <p>In: every loss. Out: totals, and the report. Guaranteed: a report keeps its id and counts until a collector has it; the app's callback
 * breaks nothing.
 */
final class Losses {
    private final Options.OnDrop onDrop;
    private final Map<String, Integer> totals = new LinkedHashMap<>();
    private final Map<String, Integer> unreported = new LinkedHashMap<>();
    private Map<String, Integer> reported = new LinkedHashMap<>();
    private String report = "";
    private boolean changed;

    Losses(Options.OnDrop onDrop) {
        this.onDrop = onDrop;
    }

    synchronized Map<String, Integer> totals() {
        return new LinkedHashMap<>(totals);
    }

    /** Counts losses that have no event to show. */
    synchronized void count(String reason, int number) {
        totals.merge(reason, number, Integer::sum);
        unreported.merge(reason, number, Integer::sum);
        changed = true;
    }

    /** Counts one lost event and shows it to the app. */
    void drop(String reason, String event, String message, String path) {
        count(reason, 1);
        if (onDrop == null) {
            return;
        }
        try {
            onDrop.dropped(reason, event, message, path);
        } catch (RuntimeException theApps) {
            // The loss is counted all the same; delivery goes on.
        }
    }

    /** Returns the report that goes with the next batch, the same until a collector has it; empty where nothing was lost. */
    synchronized String report(Ids ids, long ms) {
        if (report.isEmpty() && !unreported.isEmpty()) {
            reported = new LinkedHashMap<>(unreported);
            Map<String, Object> event = new LinkedHashMap<>();
            event.put("event_id", ids.next(ms));
            event.put("type", "track");
            event.put("occurred_at", Ids.utcText(ms));
            event.put("name", "stitchline_loss");
            event.put("properties", reported);
            report = Json.write(event);
            changed = true;
        }
        return report;
    }

    /** Forgets what the collector has been told. */
    synchronized void delivered(String sent) {
        if (sent.isEmpty() || !sent.equals(report)) {
            return;
        }
        for (Map.Entry<String, Integer> told : reported.entrySet()) {
            unreported.merge(told.getKey(), -told.getValue(), (had, less) -> had + less > 0 ? Integer.valueOf(had + less) : null);
        }
        report = "";
        reported = new LinkedHashMap<>();
        changed = true;
    }

    /** Says, once, whether there is something new to keep. */
    synchronized boolean tookChange() {
        boolean was = changed;
        changed = false;
        return was;
    }

    /** What must outlive the program. */
    synchronized Map<String, Object> kept() {
        Map<String, Object> kept = new LinkedHashMap<>();
        kept.put("unreported", new LinkedHashMap<>(unreported));
        kept.put("reported", new LinkedHashMap<>(reported));
        kept.put("report", report);
        return kept;
    }

    /** Takes over what an earlier run has not reported. */
    synchronized void restore(Map<String, Object> kept) {
        counts(kept.get("unreported"), unreported);
        counts(kept.get("reported"), reported);
        report = String.valueOf(kept.getOrDefault("report", ""));
    }

    private static void counts(Object kept, Map<String, Integer> into) {
        JsonReader.object(kept).forEach((reason, number) -> into.put(reason, ((Long) number).intValue()));
    }
}
