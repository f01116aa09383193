package stitchline;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.zip.GZIPOutputStream;

/**
 * Takes batches and brings each to its end.
 *
 * <p>Guaranteed: batches leave in order, one at a time, after they are on disk; one is settled only after the collector's 200 or after it was counted as lost; an attempt repeats
 * the events' bytes, only {@code sent_at} is new.
 */
final class Sender implements Runnable {
    private static final int MIN_GZIP_BYTES = 1024;

    private final Core core;
    private final Options options;
    private final Queue queue;
    private final URL url;
    private final String writeKey;
    private final Random random = new Random();
    // Guarded by the queue's monitor.
    private long wantedUpTo;
    private boolean hurried;
    private boolean closing;
    private boolean left;
    private long endNanos;
    private boolean failing;

    Sender(Core core, URL url, String writeKey) {
        this.core = core;
        this.options = core.options;
        this.queue = core.queue;
        this.url = url;
        this.writeKey = writeKey;
    }

    /** Asks for all batches up to this one, now. */
    void want(long upTo) {
        synchronized (queue) {
            wantedUpTo = Math.max(wantedUpTo, upTo);
            hurried = true;
            queue.notifyAll();
        }
    }

    /** Ends when all is delivered, or at this time. */
    void closeBy(long nanos) {
        synchronized (queue) {
            closing = true;
            hurried = true;
            endNanos = nanos;
            queue.notifyAll();
        }
    }

    /** Ends now; what comes of a request on its way is nobody's business any more. */
    void leave() {
        synchronized (queue) {
            left = true;
            queue.notifyAll();
        }
    }

    private boolean isOver() {
        synchronized (queue) {
            return left || closing && System.nanoTime() - endNanos >= 0;
        }
    }

    @Override
    public void run() {
        try {
            for (Segment batch = next(); batch != null; batch = next()) {
                core.secure();
                deliver(batch);
            }
            if (!isOver() && !core.losses.report(core.ids, core.now()).isEmpty()) {
                attempt(new ArrayList<>(), core.head, false);
            }
        } catch (InterruptedException ended) {
            Thread.currentThread().interrupt();
        }
    }

    /** Waits for the next batch that is due; null at the end. */
    private Segment next() throws InterruptedException {
        synchronized (queue) {
            while (!isOver()) {
                long dueInNanos = queue.dueInNanos(System.nanoTime());
                Segment batch = queue.take(closing || queue.waitsUpTo(wantedUpTo) || dueInNanos <= 0);
                if (batch != null) {
                    return batch;
                }
                if (closing) {
                    return null;
                }
                pause(dueInNanos);
            }
            return null;
        }
    }

    private void pause(long nanos) throws InterruptedException {
        queue.wait(Math.max(1, Math.min(nanos / 1_000_000 + 1, 3_600_000)));
    }

    private void deliver(Segment batch) throws InterruptedException {
        boolean keeps = batch.file != null;
        Deque<List<byte[]>> parts = new ArrayDeque<>(chunks(queue.events(batch)));
        while (!parts.isEmpty()) {
            List<List<byte[]>> smaller = bring(parts.peek(), batch.head, keeps);
            if (smaller == null) {
                return; // the time is over: the batch stays where it is
            }
            parts.remove();
            for (int at = smaller.size() - 1; at >= 0; at--) {
                parts.addFirst(smaller.get(at));
            }
        }
        queue.settle(batch);
    }

    /** Splits what an earlier run kept under other limits. */
    private List<List<byte[]>> chunks(List<byte[]> events) {
        List<List<byte[]>> chunks = new ArrayList<>();
        List<byte[]> chunk = new ArrayList<>();
        long bytes = 0;
        for (byte[] event : events) {
            boolean full = chunk.size() == options.maxBatchEvents || bytes + event.length > options.maxBatchBytes;
            if (full && !chunk.isEmpty()) {
                chunks.add(chunk);
                chunk = new ArrayList<>();
                bytes = 0;
            }
            chunk.add(event);
            bytes += event.length;
        }
        if (!chunk.isEmpty()) {
            chunks.add(chunk);
        }
        return chunks;
    }

    /** Tries until the events are delivered or dropped: returns nothing, or two halves that are left; null when the time is over. */
    private List<List<byte[]>> bring(List<byte[]> events, String head, boolean keeps) throws InterruptedException {
        List<List<byte[]>> halves = new ArrayList<>();
        for (int failures = 1; !isOver(); failures++) {
            Outcome outcome = attempt(events, head, keeps);
            if (outcome == null) {
                return null;
            }
            switch (outcome.verdict.decision) {
                case DELIVERED:
                    failing = false;
                    return halves;
                case SPLIT:
                    halves.add(events.subList(0, events.size() / 2));
                    halves.add(events.subList(events.size() / 2, events.size()));
                    return halves;
                case DROP:
                    drop(events, outcome);
                    return halves;
                default:
                    await(failures, outcome);
            }
        }
        return null;
    }

    private void drop(List<byte[]> events, Outcome outcome) {
        Core.warn(events.size() + " events are lost (" + outcome.verdict.reason + "): " + outcome.why);
        for (byte[] event : events) {
            core.losses.drop(outcome.verdict.reason, new String(event, StandardCharsets.UTF_8), outcome.why, "");
        }
    }

    /** What came of an attempt. */
    private static final class Outcome {
        final Retry verdict;
        final String why;
        final double askedS;

        Outcome(Retry verdict, String why, double askedS) {
            this.verdict = verdict;
            this.why = why;
            this.askedS = askedS;
        }
    }

    /** Sends once; null when the sender was left meanwhile. */
    private Outcome attempt(List<byte[]> events, String head, boolean keeps) throws InterruptedException {
        String report = core.losses.report(core.ids, core.now());
        byte[] body = body(events, head, report);
        boolean gzipped = body.length >= MIN_GZIP_BYTES;
        Exchange.Answer answer = Exchange.post(url, writeKey, gzipped ? gzip(body) : body, gzipped, limitS());
        Map<String, Object> reply = answer == null ? null : Reply.read(answer);
        synchronized (queue) {
            if (left) {
                return null;
            }
        }
        Retry verdict = Retry.of(answer == null ? 0 : answer.status, reply != null, events.size(), keeps);
        if (verdict.decision == Retry.Decision.DELIVERED) {
            Reply.countRejected(reply, events, core.losses);
            core.losses.delivered(report);
        }
        double askedS = answer == null ? -1 : Retry.retryAfterS(answer.retryAfter, System.currentTimeMillis());
        return new Outcome(verdict, answer == null ? "no answer" : "HTTP " + answer.status, askedS);
    }

    private double limitS() {
        synchronized (queue) {
            double leftS = closing ? (endNanos - System.nanoTime()) / 1e9 : options.timeoutS;
            return Math.max(0.001, Math.min(options.timeoutS, leftS));
        }
    }

    private byte[] body(List<byte[]> events, String head, String report) {
        ByteArrayOutputStream body = new ByteArrayOutputStream();
        write(body, "{\"sent_at\":\"" + Ids.utcText(core.now()) + "\"," + head + ",\"events\":[");
        String comma = "";
        for (byte[] event : events) {
            write(body, comma);
            body.write(event, 0, event.length);
            comma = ",";
        }
        write(body, report.isEmpty() ? "]}" : comma + report + "]}");
        return body.toByteArray();
    }

    private static void write(ByteArrayOutputStream body, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        body.write(bytes, 0, bytes.length);
    }

    private static byte[] gzip(byte[] body) {
        ByteArrayOutputStream packed = new ByteArrayOutputStream();
        try (GZIPOutputStream out = new GZIPOutputStream(packed)) {
            out.write(body);
        } catch (IOException impossible) {
            throw new IllegalStateException(impossible); // it is memory
        }
        return packed.toByteArray();
    }

    /** Waits before the next attempt; a flush or close cuts a backoff short once, never a Retry-After. */
    private void await(int failures, Outcome outcome) throws InterruptedException {
        boolean asked = outcome.askedS >= 0;
        double drawn = random.nextDouble();
        double waitS = asked ? outcome.askedS : Retry.backoffS(failures, options.backoffS, options.maxBackoffS, drawn);
        if (!failing) {
            Core.warn("events are not getting through (" + outcome.why + "); trying again");
        }
        failing = true;
        long until = System.nanoTime() + (long) (waitS * 1e9);
        synchronized (queue) {
            while (!isOver() && until - System.nanoTime() > 0 && (asked || !hurried)) {
                pause(Math.min(until - System.nanoTime(), closing ? endNanos - System.nanoTime() : Long.MAX_VALUE));
            }
            hurried = hurried && asked;
        }
    }
}
