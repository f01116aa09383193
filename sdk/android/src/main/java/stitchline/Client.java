package stitchline;

import java.net.MalformedURLException;
import java.net.URL;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The client of an app: one for each process, made when it starts.
 *
 * <p>Only making it reads a file, and throws where a setting is wrong; afterwards no call waits for disk or network, or throws because of delivery.
 */
public final class Client extends Calls {
    private static final double SAVE_WITHIN_S = 0.25;

    private final Core core;
    private final Speaker speaker;
    private final Sender sender;
    private final Thread sending;
    private final Thread saving;

    /**
     * Begins.
     *
     * @param endpoint where the collector is, e.g. {@code https://collect.example.com}
     * @param writeKey of the source; not a secret
     * @param options the rest
     */
    public Client(String endpoint, String writeKey, Options options) {
        URL url = url(endpoint);
        core = new Core(options);
        String type = String.valueOf(options.device.getOrDefault("type", "phone"));
        boolean shared = Arrays.asList("kiosk", "atm", "pos").contains(type);
        boolean personal = !type.equals("server");
        Session session = new Session(core.ids, shared);
        speaker = new Speaker(core, new LinkedHashMap<>(), new LinkedHashMap<>(), options.consent, personal ? session : null, personal, shared);
        core.keepsStateOf(speaker, session);
        sender = new Sender(core, url, writeKey);
        sending = started("stitchline-send", sender);
        saving = started("stitchline-save", this::save);
    }

    private static URL url(String endpoint) {
        try {
            URL url = new URL(endpoint.replaceAll("/+$", "") + "/v1/events");
            if (url.getProtocol().equals("http") || url.getProtocol().equals("https")) {
                return url;
            }
        } catch (MalformedURLException wrong) {
            // said below
        }
        throw new InvalidEvent("pass an endpoint such as https://collect.example.com");
    }

    private static Thread started(String name, Runnable work) {
        Thread thread = new Thread(work, name);
        thread.setDaemon(true);
        thread.start();
        return thread;
    }

    @Override
    Speaker speaker() {
        return speaker;
    }

    /** This installation's id. */
    public String deviceId() {
        return core.deviceId;
    }

    /** Who uses the device, as on the wire: contacts are hashed. */
    public Map<String, String> identifiers() {
        return speaker.identifiers();
    }

    /** The session of the last event; null after a logout. */
    public String sessionId() {
        return speaker.sessionId();
    }

    /** What was lost since the start, by reason. */
    public Map<String, Integer> losses() {
        return core.losses.totals();
    }

    /** Speaks for one person on one device, where the app serves several: identifiers, device, channel, stage, session and page of the tags. A wrong value is counted and left out. */
    public Scope scope(Tags tags) {
        Map<String, String> who = new LinkedHashMap<>();
        try {
            who = Identifiers.cleaned(tags.who, core.options.hashContacts, core.losses);
        } catch (InvalidEvent error) {
            core.refused("scope", error);
        }
        return new Scope(new Speaker(core, new LinkedHashMap<>(tags.fields), who, new LinkedHashMap<>(), null, true, false));
    }

    /**
     * Waits until all that was said before is delivered or counted; not for a main thread.
     *
     * @return whether it is; false when the time was over
     */
    public boolean flush(double timeoutS) {
        long end = System.nanoTime() + (long) (timeoutS * 1e9);
        core.secure(true);
        long upTo = core.queue.newest();
        sender.want(upTo);
        synchronized (core.queue) {
            while (core.queue.waitsUpTo(upTo) && end - System.nanoTime() > 0) {
                try {
                    core.queue.wait(Math.max(1, (end - System.nanoTime()) / 1_000_000));
                } catch (InterruptedException ended) {
                    Thread.currentThread().interrupt();
                    break;
                }
            }
            return !core.queue.waitsUpTo(upTo);
        }
    }

    /**
     * Takes nothing more, delivers what is there within the time, and ends; the rest stays on disk, or is counted.
     *
     * @return whether all was delivered or counted
     */
    public boolean close(double timeoutS) {
        if (!core.close()) {
            return core.queue.newest() == 0;
        }
        end(timeoutS);
        core.secure(true);
        boolean delivered = core.queue.newest() == 0;
        core.queue.abandon("shutdown");
        core.secure(true);
        core.release();
        return delivered;
    }

    /** Forgets the installation: ends, and removes id, counter, session, identifiers and unsent events. The next client is another device's. */
    public void reset() {
        if (core.close()) {
            end(0);
            core.forget();
        }
    }

    private void end(double timeoutS) {
        sender.closeBy(System.nanoTime() + (long) (timeoutS * 1e9));
        joined(sending, timeoutS);
        sender.leave();
        sending.interrupt();
        saving.interrupt();
        joined(saving, 1);
    }

    private static void joined(Thread thread, double timeoutS) {
        try {
            thread.join(Math.max(1, (long) (timeoutS * 1000)));
        } catch (InterruptedException ended) {
            Thread.currentThread().interrupt();
        }
    }

    /** Brings events to disk soon after they were said, some at a time. */
    private void save() {
        try {
            while (true) {
                synchronized (core.queue) {
                    while (!core.queue.isTouched()) {
                        core.queue.wait();
                    }
                }
                Thread.sleep((long) (1000 * Math.min(SAVE_WITHIN_S, core.options.flushIntervalS)));
                core.secure();
            }
        } catch (InterruptedException closed) {
            Thread.currentThread().interrupt();
        }
    }
}
