package stitchline;

import java.io.File;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.function.LongSupplier;

/** What a client is made with. Every duration is in seconds, every size in bytes. */
public final class Options {
    /** Called for every event that will not arrive; the reasons are those of the protocol, section 10. */
    public interface OnDrop {
        /** Is told of one loss: reason, the event as JSON, what the collector or the check said, and where in the event. */
        void dropped(String reason, String event, String message, String path);
    }

    private static final Set<String> DEVICE_FIELDS = new HashSet<>(Arrays.asList(
            "type", "os", "os_version", "manufacturer", "model", "app_version", "locale", "timezone", "screen_width", "screen_height"));

    File directory;
    boolean offline = true;
    Map<String, Object> device = new LinkedHashMap<>();
    String channel = "app";
    Map<String, Boolean> consent = new LinkedHashMap<>();
    boolean hashContacts = true;
    boolean debug;
    double flushIntervalS = 1;
    int maxBatchEvents = 500;
    int maxBatchBytes = 1 << 20;
    int maxQueueEvents = 10_000;
    int maxQueueBytes = 4 << 20;
    int maxOfflineBytes = 20 << 20;
    double timeoutS = 10;
    double backoffS = 0.5;
    double maxBackoffS = 30;
    OnDrop onDrop;
    LongSupplier clock = System::currentTimeMillis;

    /** Where id, counter and unsent events outlive the program, private to the app and left out of backups; without it they do not. */
    public Options directory(File value) {
        directory = value;
        return this;
    }

    /** Whether unsent events are kept in the directory; true by default. */
    public Options offline(boolean value) {
        offline = value;
        return this;
    }

    /** What is known of the device, by the names of the protocol: type, os, os_version, manufacturer, model, app_version, ... */
    public Options device(Map<String, ?> value) {
        if (!DEVICE_FIELDS.containsAll(value.keySet())) {
            throw new InvalidEvent("the fields of a device are " + DEVICE_FIELDS);
        }
        device.putAll(value);
        return this;
    }

    /** Where it happens; {@code app} by default. */
    public Options channel(String value) {
        channel = Tags.text("channel", value);
        return this;
    }

    /** What is allowed before anybody was asked, by purpose. */
    public Options consent(Map<String, Boolean> value) {
        consent = new LinkedHashMap<>(value);
        return this;
    }

    /** Whether e-mail addresses and phone numbers leave hashed only; true by default. */
    public Options hashContacts(boolean value) {
        hashContacts = value;
        return this;
    }

    /** Whether a wrong value throws {@link InvalidEvent} at the call; for development. */
    public Options debug(boolean value) {
        debug = value;
        return this;
    }

    /** Longest time that an event waits for others; 1 by default. */
    public Options flushIntervalS(double value) {
        flushIntervalS = value;
        return this;
    }

    /** Most events in a request, 1 to 1,000; 500 by default. */
    public Options maxBatchEvents(int value) {
        maxBatchEvents = Math.max(1, Math.min(1000, value));
        return this;
    }

    /** Most bytes of a request before compression, up to 4 MiB; 1 MiB by default. */
    public Options maxBatchBytes(int value) {
        maxBatchBytes = Math.max(1, Math.min(4 << 20, value));
        return this;
    }

    /** Most events in memory that are not on disk yet; 10,000 by default. */
    public Options maxQueueEvents(int value) {
        maxQueueEvents = value;
        return this;
    }

    /** Most bytes on disk; 20 MiB by default. Beyond, the oldest are dropped. */
    public Options maxOfflineBytes(int value) {
        maxOfflineBytes = value;
        return this;
    }

    /** Longest time for a whole request, from connecting to the last byte of the answer; 10 by default. */
    public Options timeoutS(double value) {
        timeoutS = value;
        return this;
    }

    /** Longest wait after the first failure; 0.5 by default. */
    public Options backoffS(double value) {
        backoffS = value;
        return this;
    }

    /** Longest wait after any number of failures; 30 by default. */
    public Options maxBackoffS(double value) {
        maxBackoffS = value;
        return this;
    }

    /** Is told of every loss. */
    public Options onDrop(OnDrop value) {
        onDrop = value;
        return this;
    }

    /** The device's clock, milliseconds since 1970; for tests. */
    public Options clock(LongSupplier value) {
        clock = value;
        return this;
    }
}
