package stitchline;

import java.io.File;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.TimeZone;
import java.util.logging.Logger;

/**
 * What all that speak on this device share: ids, counter, queue, losses, and what is kept.
 *
 * <p>Its monitor is the one under which events get id, time and place. Guaranteed: numbers are reserved on disk before one of them leaves the memory.
 */
final class Core {
    static final String VERSION = "0.1.0";
    /** Numbers that a kill may skip: small, because phones kill programs all day, and a gap reads as loss. */
    private static final long RESERVED = 100;
    /** Silence is measured to this over a restart; a write for each event would cost the battery. */
    private static final long LAST_MS_STEP = 10_000;
    private static final Logger LOG = Logger.getLogger("stitchline");

    final Options options;
    final Ids ids = new Ids();
    final Losses losses;
    final Queue queue;
    final String deviceId;
    /** What a batch says besides its events: JSON without braces. */
    final String head;
    final Map<String, Object> kept;
    private final Storage storage;
    private boolean counts;
    private final Object securing = new Object();
    private Speaker main;
    private Session session;
    private long nextSeq = 1;
    private long reserved;
    private long writtenLastMs;
    private boolean changed;
    private boolean closed;
    private boolean released;

    Core(Options options) {
        this.options = options;
        this.losses = new Losses(options.onDrop);
        String fresh = ids.next(now());
        this.storage = opened(options.directory, fresh);
        this.kept = storage == null ? new LinkedHashMap<>() : storage.kept;
        this.counts = storage == null || storage.isFirst;
        this.deviceId = storage == null ? fresh : (String) kept.get("device");
        if (counts) {
            restore();
        }
        this.head = head();
        this.queue = new Queue(options, storage != null && options.offline ? storage.queue : null, head, losses);
    }

    private void restore() {
        try {
            nextSeq = ((Long) kept.getOrDefault("seq", 1L)).longValue();
            if (kept.containsKey("losses")) {
                losses.restore(JsonReader.object(kept.get("losses")));
            }
        } catch (RuntimeException damaged) {
            warn("parts of the state cannot be read: " + damaged);
        }
        reserved = nextSeq;
    }

    private static Storage opened(File folder, String device) {
        try {
            return folder == null ? null : Storage.open(folder, device);
        } catch (IOException unusable) {
            warn("nothing can be kept, the device's id lasts as long as the program: " + unusable);
            return null;
        }
    }

    private String head() {
        Map<String, Object> device = new LinkedHashMap<>();
        device.put("id", deviceId);
        device.put("type", "phone");
        device.put("locale", Locale.getDefault().toLanguageTag());
        device.put("timezone", TimeZone.getDefault().getID());
        device.putAll(options.device);
        Map<String, Object> head = new LinkedHashMap<>();
        Map<String, Object> sdk = new LinkedHashMap<>();
        sdk.put("name", "stitchline-java");
        sdk.put("version", VERSION);
        head.put("sdk", sdk);
        head.put("device", device);
        head.put("channel", options.channel);
        String json = Json.write(head);
        return json.substring(1, json.length() - 1);
    }

    /** Names whose state is kept, and takes over what an earlier run kept of them. */
    void keepsStateOf(Speaker speaker, Session theirs) {
        main = speaker;
        session = theirs;
        try {
            speaker.restore(kept);
        } catch (RuntimeException damaged) {
            warn("parts of the state cannot be read: " + damaged);
        }
    }

    long now() {
        return options.clock.getAsLong();
    }

    /** Returns the next number; 0 where another program counts. The caller holds this monitor. */
    long nextSeq() {
        return counts ? nextSeq++ : 0;
    }

    /** Notes that what is kept is another. */
    synchronized void changed() {
        changed = true;
    }

    /** Queues an encoded event; returns why it is lost, or null. The caller holds this monitor. */
    String put(byte[] line) {
        return closed ? "closed" : queue.put(line, System.nanoTime()) ? null : "queue_full";
    }

    /** Counts a call whose values cannot be sent. */
    boolean refused(String type, InvalidEvent error) {
        losses.drop(error.reason, "{\"type\":\"" + type + "\"}", error.getMessage(), "");
        if (options.debug) {
            throw error;
        }
        return false;
    }

    /** Takes nothing more; false where it was closed before. */
    synchronized boolean close() {
        boolean was = closed;
        closed = true;
        return !was;
    }

    /** Brings state, reserved numbers and events to disk, in this order. */
    void secure() {
        secure(false);
    }

    /**
     * Does the same.
     *
     * @param exact write the counter as it is, so that an end leaves no gap
     */
    void secure(boolean exact) {
        synchronized (securing) {
            if (released) {
                return; // the folder is another program's by now
            }
            Map<String, Object> state;
            long upTo;
            synchronized (this) {
                state = stateToWrite(exact);
                upTo = queue.said(); // what is said from here on has numbers that this state does not cover
            }
            if (state != null) {
                reserved(((Long) state.get("seq")).longValue(), storage.write(state));
            }
            queue.save(upTo);
        }
    }

    private synchronized void reserved(long below, boolean written) {
        reserved = below;
        counts = counts && written; // no number is better than one that the next run gives again
    }

    private Map<String, Object> stateToWrite(boolean exact) {
        boolean runsOut = exact ? reserved != nextSeq : nextSeq > reserved - RESERVED / 2;
        boolean moved = Math.abs(session.lastMs() - writtenLastMs) > LAST_MS_STEP;
        boolean lost = losses.tookChange();
        if (storage == null || !storage.isFirst || !(runsOut || moved || lost || changed)) {
            return null;
        }
        changed = false;
        writtenLastMs = session.lastMs();
        Map<String, Object> state = new LinkedHashMap<>();
        state.put("device", deviceId);
        state.put("seq", exact ? nextSeq : nextSeq + RESERVED);
        state.put("losses", losses.kept());
        main.keep(state);
        return state;
    }

    /** Gives the folder to the next program. */
    void release() {
        synchronized (securing) {
            released = true;
            if (storage != null) {
                storage.close();
            }
        }
    }

    /** Removes all that is kept, and gives the folder up. */
    void forget() {
        synchronized (securing) {
            released = true;
            queue.forget();
            if (storage != null) {
                storage.forget();
            }
        }
    }

    static void warn(String message) {
        LOG.warning(message);
    }
}
