package stitchline;

import java.io.File;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/**
 * What waits to be sent, in batches, oldest first. It is also the monitor that everybody who waits for it waits on.
 *
 * <p>In: encoded events. Out: batches that are full or due. Guaranteed: {@code put} waits for neither disk nor network; what was saved stays until it is settled; a disk
 * that fails costs the memory of its batch, never the program. Bounds: events not on disk, newest dropped; bytes on disk, oldest dropped.
 */
final class Queue {
    private final Options options;
    private final File folder;
    private final String head;
    private final Losses losses;
    private final Object saving = new Object();
    private final Deque<Segment> segments = new ArrayDeque<>();
    private long nextNumber = 1;
    private long said;
    private int heldEvents;
    private long heldBytes;
    private boolean touched;

    Queue(Options options, File folder, String head, Losses losses) {
        this.options = options;
        this.folder = folder;
        this.head = head;
        this.losses = losses;
        for (File left : Storage.segments(folder)) {
            segments.add(Segment.left(nextNumber = Storage.number(left), left));
            nextNumber++;
        }
    }

    /** Queues an event; false where too much waits in memory. */
    synchronized boolean put(byte[] line, long nowNanos) {
        if (heldEvents >= options.maxQueueEvents || heldBytes + line.length > options.maxQueueBytes) {
            return false;
        }
        Segment open = open();
        if (open != null && open.bytes + line.length > options.maxBatchBytes) {
            open.sealed = true;
            open = null;
        }
        if (open == null) {
            open = new Segment(nextNumber, head, folder == null ? null : Storage.segment(folder, nextNumber));
            nextNumber++;
            open.sinceNanos = nowNanos;
            open.before = said;
            segments.add(open);
        }
        said++;
        open.lines.add(line);
        open.bytes += line.length;
        open.sealed = open.lines.size() >= options.maxBatchEvents;
        heldEvents++;
        heldBytes += line.length;
        touched = true;
        notifyAll();
        return true;
    }

    private Segment open() {
        return segments.isEmpty() || segments.getLast().sealed ? null : segments.getLast();
    }

    /** Returns the oldest batch that is full, or with {@code partial} the oldest at all; null where there is none. It stays until it is settled. */
    synchronized Segment take(boolean partial) {
        Segment first = segments.peek();
        if (first == null || !first.sealed && !partial) {
            return null;
        }
        first.sealed = true;
        first.inFlight = true;
        return first;
    }

    /** Returns the nanoseconds until the oldest event has waited for the interval; Long.MAX_VALUE where none waits. */
    synchronized long dueInNanos(long nowNanos) {
        Segment first = segments.peek();
        return first == null ? Long.MAX_VALUE : first.sinceNanos + (long) (options.flushIntervalS * 1e9) - nowNanos;
    }

    /** Forgets a batch: all of it is delivered or counted. */
    void settle(Segment segment) {
        synchronized (this) {
            segments.remove(segment);
            release(segment);
            notifyAll();
        }
        segment.delete();
    }

    private void release(Segment segment) {
        if (segment.lines != null) {
            for (byte[] line : segment.lines.subList(segment.saved, segment.lines.size())) {
                heldEvents--;
                heldBytes -= line.length;
            }
            segment.lines = null;
        }
    }

    /** Returns a batch's events, from memory or from disk. */
    List<byte[]> events(Segment segment) {
        List<byte[]> lines;
        synchronized (this) {
            lines = segment.lines == null ? null : new ArrayList<>(segment.lines);
        }
        return lines == null ? segment.read(losses) : lines;
    }

    /** Returns how many events were put so far. */
    synchronized long said() {
        return said;
    }

    /** Brings the events that were put up to this number to disk, and keeps the folder within its bound. */
    void save(long upTo) {
        synchronized (saving) {
            for (Segment segment : snapshot(upTo)) {
                save(segment, upTo);
            }
            dropOldest();
        }
    }

    private synchronized List<Segment> snapshot(long upTo) {
        touched = said > upTo;
        return new ArrayList<>(segments);
    }

    private void save(Segment segment, long upTo) {
        List<byte[]> fresh;
        synchronized (this) {
            if (segment.file == null || segment.lines == null) {
                return;
            }
            int end = (int) Math.min(segment.lines.size(), upTo - segment.before);
            fresh = new ArrayList<>(segment.lines.subList(segment.saved, Math.max(segment.saved, end)));
        }
        try {
            if (!fresh.isEmpty()) {
                segment.append(fresh);
            }
        } catch (IOException full) {
            Core.warn("events cannot be kept on disk, only in memory: " + full);
            inMemory(segment);
            return;
        }
        synchronized (this) {
            saved(segment, fresh);
        }
    }

    private void saved(Segment segment, List<byte[]> fresh) {
        if (segment.lines == null) {
            return; // settled meanwhile
        }
        for (byte[] line : fresh) {
            heldEvents--;
            heldBytes -= line.length;
        }
        segment.saved += fresh.size();
        if (segment.sealed && segment.saved == segment.lines.size()) {
            segment.closeFile();
            segment.lines = segment.inFlight ? segment.lines : null;
        }
    }

    private void inMemory(Segment segment) {
        segment.delete();
        synchronized (this) {
            segment.file = null;
            for (byte[] line : segment.lines.subList(0, segment.saved)) {
                heldEvents++;
                heldBytes += line.length;
            }
            segment.saved = 0;
        }
    }

    private void dropOldest() {
        for (Segment oldest = tooMuch(); oldest != null; oldest = tooMuch()) {
            int lost = events(oldest).size();
            losses.count("offline_full", lost);
            settle(oldest);
        }
    }

    private synchronized Segment tooMuch() {
        long onDisk = 0;
        Segment oldest = null;
        for (Segment segment : segments) {
            onDisk += segment.file == null ? 0 : segment.bytes;
            boolean free = segment.file != null && segment.sealed && !segment.inFlight;
            oldest = oldest == null && free ? segment : oldest;
        }
        return onDisk > options.maxOfflineBytes ? oldest : null;
    }

    /** Says whether something was put since the last {@code save}. */
    synchronized boolean isTouched() {
        return touched;
    }

    /** Returns the number of the newest batch; 0 where there is none. */
    synchronized long newest() {
        return segments.isEmpty() ? 0 : segments.getLast().number;
    }

    /** Says whether batches up to this number wait. */
    synchronized boolean waitsUpTo(long number) {
        return !segments.isEmpty() && segments.getFirst().number <= number;
    }

    /** Removes all that waits, uncounted. */
    void forget() {
        for (Segment segment : snapshot(said())) {
            settle(segment);
        }
    }

    /** Counts what is in memory only, at the end, and forgets it. */
    synchronized void abandon(String reason) {
        for (Segment segment : segments) {
            segment.closeFile();
            if (segment.lines != null && segment.lines.size() > segment.saved) {
                losses.count(reason, segment.lines.size() - segment.saved);
            }
        }
        segments.clear();
    }
}
