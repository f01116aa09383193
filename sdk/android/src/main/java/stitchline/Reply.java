package stitchline;

import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.List;
import java.util.Map;

/** The collector's reply. In: an answer from anywhere. Out: its members, or null: only a whole reply acknowledges. */
final class Reply {
    private Reply() {}

    static Map<String, Object> read(Exchange.Answer answer) {
        try {
            Map<String, Object> reply = JsonReader.readObject(new String(answer.body, StandardCharsets.UTF_8));
            boolean whole = reply.get("accepted") instanceof Long && reply.getOrDefault("rejected", Collections.emptyList()) instanceof List;
            return whole ? reply : null;
        } catch (IllegalArgumentException somebodyElses) {
            return null;
        }
    }

    /** Counts the events that the collector did not take. */
    static void countRejected(Map<String, Object> reply, List<byte[]> events, Losses losses) {
        for (Object one : (List<?>) reply.getOrDefault("rejected", Collections.emptyList())) {
            Map<String, Object> rejected = JsonReader.object(one);
            Object index = rejected.get("index");
            long at = index instanceof Long ? ((Long) index).longValue() : -1;
            if (at >= 0 && at < events.size()) {
                String event = new String(events.get((int) at), StandardCharsets.UTF_8);
                losses.drop("rejected", event, text(rejected, "reason"), text(rejected, "path"));
            }
        }
    }

    private static String text(Map<String, Object> rejected, String member) {
        return String.valueOf(rejected.getOrDefault(member, ""));
    }
}
