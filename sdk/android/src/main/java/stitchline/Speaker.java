package stitchline;

import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Who is speaking on which device, and the making of their events.
 *
 * <p>In: one call. Out: one encoded event in the queue. Guaranteed: the app's values are checked and encoded before the lock is taken; id, time, seq and place
 * in the queue are given together, so that their orders agree.
 */
final class Speaker {
    private static final int MAX_EVENT_BYTES = 64 * 1024;

    private final Core core;
    private final Map<String, Object> fixed;
    private final Session session;
    private final boolean remembers;
    private final boolean shared;
    private final Map<String, Boolean> madeWith;
    private Map<String, String> identifiers;
    private Map<String, Boolean> consent;

    /**
     * Makes one.
     *
     * @param fixed fields that each of its events carries
     * @param session null where there is none
     * @param remembers an identify holds for later events
     * @param shared strangers follow each other
     */
    Speaker(Core core, Map<String, Object> fixed, Map<String, String> identifiers, Map<String, Boolean> consent, Session session,
            boolean remembers, boolean shared) {
        this.core = core;
        this.fixed = fixed;
        this.identifiers = identifiers;
        this.madeWith = consent;
        this.consent = consent;
        this.session = session;
        this.remembers = remembers;
        this.shared = shared;
    }

    boolean say(String type, String name, Map<String, ?> linked, Map<String, ?> properties, Tags tags) {
        try {
            Map<String, Object> own = checked(type, name, linked, properties, tags);
            Map<String, String> who = tags == null ? null : cleaned(tags.who);
            return queued(type, own, who == null || who.isEmpty() ? null : who, null);
        } catch (InvalidEvent error) {
            return core.refused(type, error);
        }
    }

    boolean identify(String user, Tags tags) {
        try {
            Map<String, Object> given = new LinkedHashMap<>(tags.who);
            if (user != null) {
                given.put("user", user);
            }
            Map<String, String> who = cleaned(given);
            if (who.isEmpty()) {
                throw new InvalidEvent("pass at least one identifier that names somebody");
            }
            return queued("identify", checked("identify", null, null, tags.properties, tags), who, null);
        } catch (InvalidEvent error) {
            return core.refused("identify", error);
        }
    }

    boolean relate(String type, Map<String, ?> linked, Tags tags) {
        try {
            Map<String, String> other = cleaned(linked);
            if (other.isEmpty()) {
                throw new InvalidEvent("linked names nobody");
            }
            return say(type, null, other, tags == null ? null : tags.properties, tags);
        } catch (InvalidEvent error) {
            return core.refused(type, error);
        }
    }

    boolean logout() {
        return say("logout", null, null, null, null);
    }

    boolean consent(Map<String, Boolean> purposes) {
        try {
            if (purposes.isEmpty() || purposes.containsKey(null) || purposes.containsValue(null)) {
                throw new InvalidEvent("pass purposes with true or false");
            }
            return queued("consent", new LinkedHashMap<>(), null, new LinkedHashMap<>(purposes));
        } catch (InvalidEvent error) {
            return core.refused("consent", error);
        }
    }

    Map<String, String> identifiers() {
        synchronized (core) {
            return new LinkedHashMap<>(identifiers);
        }
    }

    String sessionId() {
        synchronized (core) {
            return session == null ? (String) fixed.get("session_id") : session.id();
        }
    }

    /** What must outlive the program; on a shared device nothing of a person. The caller holds the core's lock. */
    void keep(Map<String, Object> state) {
        if (remembers && !shared) {
            session.keep(state);
            state.put("identifiers", identifiers);
            state.put("consent", consent);
        }
    }

    /** Takes over what an earlier run kept. */
    void restore(Map<String, Object> state) {
        if (!remembers || shared) {
            return;
        }
        session.restore(state);
        if (state.containsKey("identifiers") && state.containsKey("consent")) {
            identifiers = new LinkedHashMap<>();
            JsonReader.object(state.get("identifiers")).forEach((name, value) -> identifiers.put(name, (String) value));
            consent = new LinkedHashMap<>(madeWith);
            JsonReader.object(state.get("consent")).forEach((purpose, allowed) -> consent.put(purpose, (Boolean) allowed));
        }
    }

    private Map<String, String> cleaned(Map<String, ?> given) {
        return Identifiers.cleaned(given, core.options.hashContacts, core.losses);
    }

    private static Map<String, Object> checked(String type, String name, Map<String, ?> linked, Map<String, ?> properties, Tags tags) {
        Map<String, Object> own = new LinkedHashMap<>();
        if (name != null && !name.isEmpty() || type.equals("track") || type.equals("screen")) {
            own.put("name", Tags.text("name", name));
        }
        if (linked != null) {
            own.put("linked", linked);
        }
        if (tags != null) {
            if (tags.wrong != null) {
                throw new InvalidEvent(tags.wrong);
            }
            own.putAll(tags.fields);
        }
        if (properties != null) {
            own.put("properties", properties);
        }
        return own;
    }

    /**
     * Queues an event.
     *
     * @param who identifiers of this event; null for those known
     * @param purposes what a consent says
     */
    private boolean queued(String type, Map<String, Object> own, Map<String, String> who, Map<String, Boolean> purposes) {
        Map<String, Object> rest = new LinkedHashMap<>(fixed);
        rest.putAll(own);
        boolean counts = !rest.containsKey("device");
        boolean hasSession = rest.containsKey("session_id");
        Object id = rest.remove("event_id");
        Object time = rest.remove("occurred_at");
        String encoded = Json.write(rest);
        byte[] line;
        String lost = "too_large";
        synchronized (core) {
            long ms = core.now();
            forgetAfterSilence(ms);
            remember(type, who, purposes);
            Map<String, Object> event = new LinkedHashMap<>();
            event.put("event_id", id == null ? core.ids.next(ms) : id);
            event.put("type", type);
            event.put("occurred_at", time == null ? Ids.utcText(ms) : time);
            // another device's counter is not known here: no seq rather than a false one
            long seq = counts ? core.nextSeq() : 0;
            if (seq > 0) {
                event.put("seq", seq);
            }
            if (session != null && !hasSession) {
                event.put("session_id", session.touch(ms));
            }
            put(event, "identifiers", who == null || type.equals("identify") && remembers ? identifiers : who);
            put(event, "consent", purposes == null || remembers ? consent : purposes);
            line = joined(Json.write(event), encoded);
            if (line.length <= MAX_EVENT_BYTES) {
                lost = core.put(line);
            }
            if (type.equals("logout")) {
                leave();
            }
        }
        if (lost != null) {
            core.losses.drop(lost, new String(line, StandardCharsets.UTF_8), "the " + type + " was not queued", "");
        }
        return lost == null;
    }

    /** Forgets who leaves; the next event begins another session. */
    private void leave() {
        forget();
        if (session != null) {
            session.end();
        }
        fixed.computeIfPresent("session_id", (field, ended) -> core.ids.next(core.now()));
        core.changed();
    }

    private void remember(String type, Map<String, String> who, Map<String, Boolean> purposes) {
        if (!remembers) {
            return;
        }
        if (type.equals("identify")) {
            String known = identifiers.get("user");
            boolean other = who.containsKey("user") && known != null && !known.equals(who.get("user"));
            // Another login is another person: what was known of the last one must not stick to this one.
            Map<String, String> now = new LinkedHashMap<>(other ? new LinkedHashMap<>() : identifiers);
            now.putAll(who);
            identifiers = now;
            core.changed();
        }
        if (purposes != null) {
            Map<String, Boolean> now = new LinkedHashMap<>(consent);
            now.putAll(purposes);
            consent = now;
            core.changed();
        }
    }

    private void forgetAfterSilence(long ms) {
        if (shared && session != null && session.isOver(ms)) {
            session.end();
            forget();
        }
    }

    private void forget() {
        identifiers = new LinkedHashMap<>();
        if (shared) {
            consent = madeWith;
        }
    }

    private static void put(Map<String, Object> event, String field, Map<String, ?> value) {
        if (!value.isEmpty()) {
            event.put(field, value);
        }
    }

    private static byte[] joined(String first, String second) {
        String whole = second.length() == 2 ? first : first.substring(0, first.length() - 1) + "," + second.substring(1);
        return whole.getBytes(StandardCharsets.UTF_8);
    }
}
