package stitchline;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Drives the client for the conformance kit (sdk/spec/conformance.md): a command on each line of the input, an answer on each line of the output. */
public final class Driver {
    private final Map<String, Client> clients = new HashMap<>();
    private volatile long offsetMs;

    private Driver() {}

    /** Does what stands in the input, line by line. */
    public static void main(String[] arguments) throws IOException {
        Driver driver = new Driver();
        PrintStream out = new PrintStream(System.out, true, "UTF-8");
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            out.println(Json.write(driver.answer(JsonReader.readObject(line))));
        }
    }

    private Map<String, Object> answer(Map<String, Object> command) {
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("id", command.get("id"));
        answer.put("ok", true);
        try {
            answer.putAll(done(command));
        } catch (RuntimeException error) {
            answer.put("ok", false);
            answer.put("error", error.toString());
        }
        return answer;
    }

    private Map<String, Object> done(Map<String, Object> command) {
        Map<String, Object> more = new LinkedHashMap<>();
        Client client = clients.get(command.get("instance"));
        switch ((String) command.get("do")) {
            case "hello":
                more.put("sdk", Map.of("name", "stitchline-java", "version", Core.VERSION));
                more.put("can", List.of("memory", "disk", "kill", "clock", "two", "bound"));
                break;
            case "init":
                offsetMs = 0;
                clients.put((String) command.get("instance"), made(command));
                break;
            case "clock":
                offsetMs = (Long) command.get("offset_ms");
                break;
            case "kill":
                Runtime.getRuntime().halt(137); // as kill -9: no hook runs, nothing is written
                break;
            case "burst":
                for (long number = 0; number < (Long) command.get("count"); number++) {
                    client.track(command.get("name") + "-" + number);
                }
                break;
            case "flush":
                more.put("delivered", client.flush(seconds(command)));
                break;
            case "reset":
                clients.remove(command.get("instance")).reset();
                break;
            case "scope":
                client.scope(who(command).deviceId((String) command.get("device_id"))).track((String) command.get("name"));
                break;
            case "close":
                clients.remove(command.get("instance"));
                more.put("delivered", client == null || client.close(seconds(command)));
                break;
            default:
                say(client, command);
        }
        return more;
    }

    private static double seconds(Map<String, Object> command) {
        return ((Number) command.get("timeout_s")).doubleValue();
    }

    private static void say(Client client, Map<String, Object> command) {
        String name = (String) command.get("name");
        Map<String, Object> properties = command.get("properties") == null ? null : JsonReader.object(command.get("properties"));
        switch ((String) command.get("do")) {
            case "track":
                client.track(name, properties);
                break;
            case "screen":
                client.screen(name, properties, null);
                break;
            case "page":
                client.page(name, properties, null);
                break;
            case "identify":
                client.identify((String) command.get("user"), who(command));
                break;
            case "link":
                client.link(JsonReader.object(command.get("linked")));
                break;
            case "logout":
                client.logout();
                break;
            case "consent":
                client.consent(Vectors.purposes(command.get("purposes")));
                break;
            default:
                throw new IllegalArgumentException(String.valueOf(command.get("do")));
        }
    }

    private static Tags who(Map<String, Object> command) {
        Tags tags = new Tags().email((String) command.get("email")).phone((String) command.get("phone"));
        return command.get("identifiers") == null ? tags : tags.identifiers(JsonReader.object(command.get("identifiers")));
    }

    private Client made(Map<String, Object> command) {
        Map<String, Object> hints = JsonReader.object(command.get("settings"));
        Options options = new Options()
                .directory(new File((String) command.get("state")))
                .offline("disk".equals(command.get("storage")))
                .device(JsonReader.object(command.get("device")))
                .channel((String) command.get("channel"))
                .clock(() -> System.currentTimeMillis() + offsetMs);
        options.flushIntervalS(hint(hints, "flush_interval_s", options.flushIntervalS));
        options.maxBatchEvents((int) hint(hints, "max_batch_events", options.maxBatchEvents));
        options.maxQueueEvents((int) hint(hints, "max_queue_events", options.maxQueueEvents));
        options.timeoutS(hint(hints, "timeout_s", options.timeoutS));
        options.backoffS(hint(hints, "backoff_s", options.backoffS));
        options.maxBackoffS(hint(hints, "max_backoff_s", options.maxBackoffS));
        return new Client((String) command.get("endpoint"), (String) command.get("write_key"), options);
    }

    private static double hint(Map<String, Object> hints, String name, double otherwise) {
        return hints.get(name) == null ? otherwise : ((Number) hints.get(name)).doubleValue();
    }
}
