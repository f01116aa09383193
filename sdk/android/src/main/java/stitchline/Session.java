package stitchline;

import java.util.Map;

/** The session of a device. In: the time of each event. Out: its session's id. The caller holds the core's lock. */
final class Session {
    private static final long TIMEOUT_MS = 30 * 60_000;
    private static final long SHARED_TIMEOUT_MS = 2 * 60_000;

    private final Ids ids;
    private final long timeoutMs;
    private String id;
    private long lastMs;

    Session(Ids ids, boolean shared) {
        this.ids = ids;
        this.timeoutMs = shared ? SHARED_TIMEOUT_MS : TIMEOUT_MS;
    }

    /** Returns the session's id at the time of an event. A clock that is set back ends nothing. */
    String touch(long ms) {
        if (id == null || isOver(ms)) {
            id = ids.next(ms);
        }
        lastMs = ms;
        return id;
    }

    boolean isOver(long ms) {
        return id != null && ms - lastMs > timeoutMs;
    }

    void end() {
        id = null;
    }

    String id() {
        return id;
    }

    long lastMs() {
        return lastMs;
    }

    void keep(Map<String, Object> state) {
        if (id != null) {
            state.put("session_id", id);
            state.put("last_ms", lastMs);
        }
    }

    /** Continues the session of an earlier run; silence ends it as ever. */
    void restore(Map<String, Object> state) {
        if (state.get("session_id") instanceof String && state.get("last_ms") instanceof Long) {
            id = (String) state.get("session_id");
            lastMs = ((Long) state.get("last_ms")).longValue();
        }
    }
}
