package stitchline;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * The vectors of sdk/spec/vectors that are for a client, on the client's own parts.
 *
 * <p>In: the folder. Out: one line for each case, {@code ok}, {@code not ok} or {@code skip}, as JSON; a case that nobody knows is not ok.
 */
public final class Vectors {
    /** What one case comes to. */
    private interface Check {
        Object of(Map<String, Object> given, Object expected);
    }

    private static final Map<String, Check> CHECKS = new HashMap<>();

    static {
        CHECKS.put("normalisation", (given, expected) -> cleaned(given, false));
        CHECKS.put("hashing", (given, expected) -> cleaned(given, true));
        CHECKS.put("retry", Vectors::decided);
        CHECKS.put("sessions", (given, expected) -> sessions(given));
        CHECKS.put("consent client", (given, expected) -> consents(given));
        CHECKS.put("clock client", (given, expected) -> times(given));
        CHECKS.put("clock client ids", (given, expected) -> Collections.singletonMap("rise", rise(given)));
        CHECKS.put("batching", Vectors::batches);
        CHECKS.put("link_tokens sign", (given, expected) -> LinkToken.signed(text(given, "payload"), text(given, "key")));
        CHECKS.put("link_tokens make", (given, expected) -> payload(given));
        CHECKS.put("link_tokens check", (given, expected) -> read(given));
        CHECKS.put("link_tokens take", (given, expected) -> taken(given));
    }

    private Vectors() {}

    /** Runs all files of a folder. */
    public static void main(String[] arguments) throws IOException {
        for (File file : Objects.requireNonNull(new File(arguments[0]).listFiles((in, name) -> name.endsWith(".json")))) {
            String name = file.getName().replace(".json", "");
            String vectors = new String(Files.readAllBytes(file.toPath()), StandardCharsets.UTF_8);
            for (Object one : (List<?>) JsonReader.readObject(vectors).get("cases")) {
                System.out.println(Json.write(result(name, JsonReader.object(one))));
            }
        }
    }

    private static Map<String, Object> result(String file, Map<String, Object> one) {
        Map<String, Object> result = new LinkedHashMap<>();
        String kind = (file + " " + one.getOrDefault("by", "") + one.getOrDefault("do", "")).trim();
        result.put("kind", kind);
        result.put("name", one.get("name"));
        if (!CHECKS.containsKey(kind)) {
            result.put("result", "skip");
            return result;
        }
        // Without a table of countries a national number is refused.
        Object expected = "phone_regions".equals(one.get("needs")) ? null : one.get("expected");
        Object found;
        try {
            found = CHECKS.get(kind).of(JsonReader.object(one.get("given")), expected);
        } catch (RuntimeException error) {
            found = error.toString();
        }
        boolean same = Objects.equals(Json.write(sorted(found)), Json.write(sorted(expected)));
        result.put("result", same ? "ok" : "not ok");
        result.put("found", found);
        return result;
    }

    private static Object sorted(Object value) {
        if (value instanceof Map) {
            Map<String, Object> sorted = new java.util.TreeMap<>();
            ((Map<?, ?>) value).forEach((name, member) -> sorted.put((String) name, sorted(member)));
            return sorted;
        }
        if (value instanceof List) {
            List<Object> sorted = new ArrayList<>();
            ((List<?>) value).forEach(element -> sorted.add(sorted(element)));
            return sorted;
        }
        return value instanceof Number ? (Object) ((Number) value).doubleValue() : value;
    }

    private static String text(Map<String, Object> given, String name) {
        return (String) given.get(name);
    }

    private static long number(Object given, String name) {
        return (Long) JsonReader.object(given).get(name);
    }

    private static String cleaned(Map<String, Object> given, boolean hash) {
        String namespace = text(given, "namespace");
        Losses losses = new Losses(null);
        String found = Identifiers.cleaned(Collections.singletonMap(namespace, given.get("value")), hash, losses).get(namespace);
        if (losses.totals().containsKey("identifier_refused") != (found == null)) {
            throw new IllegalStateException("a refusal is counted, and nothing else");
        }
        return found;
    }

    private static Object decided(Map<String, Object> given, Object expected) {
        int status = given.get("status") == null ? 0 : (int) number(given, "status");
        Retry retry = Retry.of(status, "reply".equals(given.get("body")), (int) number(given, "events"), (Boolean) given.get("keeps"));
        Map<String, Object> found = new LinkedHashMap<>();
        found.put("decision", retry.decision.name().toLowerCase(java.util.Locale.ROOT));
        found.put("reason", retry.reason);
        found.put("delay_s", null);
        if (retry.decision == Retry.Decision.RETRY) {
            long now = given.get("now") == null ? 0 : Instant.parse(text(given, "now")).toEpochMilli();
            double asked = Retry.retryAfterS(text(given, "retry_after"), now);
            int attempt = (int) number(given, "attempt");
            Map<String, Object> range = new LinkedHashMap<>();
            range.put("min", asked >= 0 ? asked : Retry.backoffS(attempt, 0.5, 30, 0));
            range.put("max", asked >= 0 ? asked : Retry.backoffS(attempt, 0.5, 30, 1));
            found.put("delay_s", range);
        }
        return found;
    }

    /** A client in memory that never sends, whose events are read where they wait. */
    private static final class Caught {
        private final long[] clock = {1_795_360_800_000L};
        final Core core;
        final Speaker speaker;

        Caught(Map<String, Object> given) {
            Options options = new Options().clock(() -> clock[0]);
            if (given.get("consent") != null) {
                options.consent(purposes(given.get("consent")));
            }
            String type = (String) given.getOrDefault("device_type", "phone");
            boolean shared = Arrays.asList("kiosk", "atm", "pos").contains(type);
            core = new Core(options);
            Session session = new Session(core.ids, shared);
            speaker = new Speaker(core, new LinkedHashMap<>(), new LinkedHashMap<>(), options.consent,
                    type.equals("server") ? null : session, !type.equals("server"), shared);
            core.keepsStateOf(speaker, session);
            core.ids.next(0); // this case's ids begin at its own clock
        }

        Map<String, Object> said(Map<String, Object> call) {
            clock[0] = call.get("at_ms") == null ? clock[0] : number(call, "at_ms");
            switch (text(call, "do")) {
                case "identify":
                    speaker.identify(text(call, "user"), new Tags());
                    break;
                case "logout":
                    speaker.logout();
                    break;
                case "consent":
                    speaker.consent(purposes(call.get("purposes")));
                    break;
                default:
                    speaker.say(text(call, "do"), "x", null, null, null);
            }
            List<byte[]> events = core.queue.events(core.queue.take(true));
            core.queue.settle(core.queue.take(true));
            return JsonReader.readObject(new String(events.get(events.size() - 1), StandardCharsets.UTF_8));
        }
    }

    static Map<String, Boolean> purposes(Object given) {
        Map<String, Boolean> purposes = new LinkedHashMap<>();
        JsonReader.object(given).forEach((purpose, allowed) -> purposes.put(purpose, (Boolean) allowed));
        return purposes;
    }

    private static Object sessions(Map<String, Object> given) {
        Caught client = new Caught(given);
        List<String> begun = new ArrayList<>();
        List<Object> found = new ArrayList<>();
        for (Object call : (List<?>) given.get("calls")) {
            Map<String, Object> event = client.said(JsonReader.object(call));
            String session = text(event, "session_id");
            if (session != null && !begun.contains(session)) {
                begun.add(session);
                if (Long.parseLong(session.replace("-", "").substring(0, 12), 16) != number(call, "at_ms")) {
                    throw new IllegalStateException("the session's id has another time");
                }
            }
            Map<String, Object> said = new LinkedHashMap<>();
            said.put("session", session == null ? null : begun.indexOf(session));
            said.put("user", event.containsKey("identifiers") ? JsonReader.object(event.get("identifiers")).get("user") : null);
            found.add(said);
        }
        return found;
    }

    private static Object consents(Map<String, Object> given) {
        Caught client = new Caught(given);
        List<Object> found = new ArrayList<>();
        for (Object call : (List<?>) given.get("calls")) {
            found.add(client.said(JsonReader.object(call)).get("consent"));
        }
        return found;
    }

    private static Object times(Map<String, Object> given) {
        Map<String, Object> call = new LinkedHashMap<>(given);
        call.put("do", "track");
        Map<String, Object> event = new Caught(given).said(call);
        Map<String, Object> found = new LinkedHashMap<>();
        found.put("occurred_at", event.get("occurred_at"));
        found.put("sent_at", Ids.utcText(number(given, "sent_at_ms")));
        found.put("event_id_begins", text(event, "event_id").replace("-", "").substring(0, 12));
        return found;
    }

    private static boolean rise(Map<String, Object> given) {
        Ids ids = new Ids();
        List<String> made = new ArrayList<>();
        ((List<?>) given.get("at_ms")).forEach(ms -> made.add(ids.next((Long) ms)));
        List<String> sorted = new ArrayList<>(made);
        Collections.sort(sorted);
        return sorted.equals(made);
    }

    /** Plays the calls and, between them, a sender that takes what is full or due. A batch that leaves by its latest moment is as expected. */
    private static Object batches(Map<String, Object> given, Object expected) {
        Options options = new Options().maxBatchEvents((int) number(given, "max_batch_events")).maxBatchBytes((int) number(given, "max_batch_bytes"));
        options.flushIntervalS(number(given, "flush_interval_ms") / 1000.0);
        Queue queue = new Queue(options, null, "", new Losses(null));
        List<?> events = (List<?>) given.get("events");
        long flushAt = given.get("flush_at_ms") == null ? Long.MAX_VALUE : number(given, "flush_at_ms");
        List<Object> found = new ArrayList<>();
        int put = 0;
        int left = 0;
        for (long ms = 0; ms < 100_000 && left < events.size(); ms++) {
            while (put < events.size() && number(events.get(put), "at_ms") == ms) {
                queue.put(new byte[(int) number(events.get(put++), "bytes")], ms * 1_000_000);
            }
            boolean partial = queue.dueInNanos(ms * 1_000_000) <= 0 || ms >= flushAt;
            for (Segment batch = queue.take(partial); batch != null; batch = queue.take(false)) {
                List<Object> numbers = new ArrayList<>();
                for (int size = queue.events(batch).size(); size > 0; size--) {
                    numbers.add((long) left++);
                }
                queue.settle(batch);
                Map<String, Object> one = new LinkedHashMap<>();
                Object latest = found.size() < ((List<?>) expected).size() ? number(((List<?>) expected).get(found.size()), "latest_ms") : null;
                one.put("events", numbers);
                one.put("latest_ms", latest != null && ms <= (Long) latest ? latest : (Long) ms);
                found.add(one);
            }
        }
        return found;
    }

    private static Object payload(Map<String, Object> given) {
        long life = given.get("life_s") == null ? 300 : number(given, "life_s");
        String via = (String) given.getOrDefault("via", "");
        String token = LinkToken.make(JsonReader.object(given.get("linked")), text(given, "key"), via, life, number(given, "now_s"));
        return token == null ? null : JsonReader.read(new String(Base64.getUrlDecoder().decode(token.split("\\.")[1]), StandardCharsets.UTF_8));
    }

    private static Object read(Map<String, Object> given) {
        LinkToken token = LinkToken.read(text(given, "token"), text(given, "key"), text(given, "own_device"), number(given, "now_s"));
        if (token == null) {
            return null;
        }
        Map<String, Object> found = new LinkedHashMap<>();
        found.put("linked", token.linked);
        found.put("via", token.via);
        return found;
    }

    private static Object taken(Map<String, Object> given) {
        LinkToken.Taken taken = LinkToken.take(text(given, "url"));
        Map<String, Object> found = new LinkedHashMap<>();
        found.put("token", taken.token);
        found.put("url", taken.url);
        return found;
    }
}
