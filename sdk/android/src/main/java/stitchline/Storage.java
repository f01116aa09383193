package stitchline;

import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.channels.FileLock;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * The folder of an installation: {@code state.json} and {@code queue-N}, one for each program that uses it at a time.
 *
 * <p>Guaranteed: of several programs only one holds {@code queue-0}, and with it the state and the counter; each sends only what is in its own folder, and at its start takes
 * what those left that have ended. The state is replaced whole, or not at all.
 */
final class Storage {
    private static final int MAX_PROGRAMS = 16;
    private static final String SUFFIX = ".batch";
    // A second lock on a file would be granted within a process, and closing it would release the first: so they are known here.
    private static final Set<String> HELD = new HashSet<>();

    private final File folder;
    private final File lockFile;
    private final RandomAccessFile lock;
    /** Where this program's batches are. */
    final File queue;
    /** It alone writes the state and gives numbers. */
    final boolean isFirst;
    /** What an earlier run kept; it always names the device. */
    Map<String, Object> kept;

    private Storage(File folder, int place, RandomAccessFile lock) {
        this.folder = folder;
        this.queue = queue(folder, place);
        this.lockFile = new File(queue, "lock");
        this.lock = lock;
        this.isFirst = place == 0;
    }

    /**
     * Opens a folder, and makes it where it is missing.
     *
     * @param device the id of this installation, where it has none yet
     */
    static Storage open(File folder, String device) throws IOException {
        synchronized (HELD) {
            makePrivate(folder);
            try (RandomAccessFile opening = new RandomAccessFile(new File(folder, "lock"), "rw");
                    FileLock alone = opening.getChannel().lock()) {
                Storage storage = place(folder);
                if (alone.isValid()) {
                    storage.begin(device);
                }
                return storage;
            }
        }
    }

    private void begin(String device) throws IOException {
        adopt();
        kept = read();
        if (!(kept.get("device") instanceof String)) {
            kept.put("device", device);
            if (!write(kept)) {
                close();
                throw new IOException("cannot write into " + folder);
            }
        }
    }

    private static Storage place(File folder) throws IOException {
        for (int place = 0; place < MAX_PROGRAMS; place++) {
            RandomAccessFile lock = claim(queue(folder, place));
            if (lock != null) {
                return new Storage(folder, place, lock);
            }
        }
        throw new IOException("more than " + MAX_PROGRAMS + " programs use " + folder);
    }

    private static RandomAccessFile claim(File queue) throws IOException {
        makePrivate(queue);
        File lockFile = new File(queue, "lock");
        if (HELD.contains(lockFile.getCanonicalPath())) {
            return null;
        }
        RandomAccessFile lock = new RandomAccessFile(lockFile, "rw");
        if (lock.getChannel().tryLock() == null) {
            lock.close();
            return null;
        }
        HELD.add(lockFile.getCanonicalPath());
        return lock;
    }

    /** Takes over the batches of programs that have ended. */
    private void adopt() throws IOException {
        for (int place = 0; place < MAX_PROGRAMS; place++) {
            File other = queue(folder, place);
            File[] left = segments(other);
            RandomAccessFile theirs = left.length == 0 || other.equals(queue) ? null : claim(other);
            if (theirs == null) {
                continue;
            }
            File[] own = segments(queue);
            long number = own.length == 0 ? 1 : number(own[own.length - 1]) + 1;
            for (File one : left) {
                if (!one.renameTo(segment(queue, number++))) {
                    Core.warn("a batch cannot be taken over: " + one);
                }
            }
            release(new File(other, "lock"), theirs);
        }
    }

    private Map<String, Object> read() {
        File state = new File(folder, "state.json");
        try {
            return state.exists() ? JsonReader.readObject(text(state)) : new LinkedHashMap<>();
        } catch (IOException | IllegalArgumentException unreadable) {
            Core.warn("the state cannot be read, this is another device from now on: " + unreadable);
            return new LinkedHashMap<>();
        }
    }

    private static String text(File file) throws IOException {
        return new String(Files.readAllBytes(file.toPath()), StandardCharsets.UTF_8);
    }

    /** Replaces the state; when it returns true it outlives the program and the power. */
    boolean write(Map<String, Object> state) {
        File fresh = new File(folder, "state.json.new");
        try (FileOutputStream out = new FileOutputStream(fresh)) {
            out.write(Json.write(state).getBytes(StandardCharsets.UTF_8));
            out.getFD().sync();
        } catch (IOException full) {
            Core.warn("the state cannot be kept: " + full);
            return false;
        }
        return fresh.renameTo(new File(folder, "state.json"));
    }

    /** Lets the next program in. */
    void close() {
        synchronized (HELD) {
            release(lockFile, lock);
        }
    }

    /** Removes the state and all batches but those of programs that still run, and lets the next program in. */
    void forget() {
        synchronized (HELD) {
            try {
                adopt();
            } catch (IOException unreadable) {
                Core.warn("some batches cannot be removed: " + unreadable);
            }
            for (File batch : segments(queue)) {
                remove(batch);
            }
            remove(new File(folder, "state.json"));
            release(lockFile, lock);
        }
    }

    private static void remove(File file) {
        if (!file.delete() && file.exists()) {
            Core.warn("cannot remove " + file);
        }
    }

    private static void release(File lockFile, RandomAccessFile lock) {
        try {
            HELD.remove(lockFile.getCanonicalPath());
            lock.close();
        } catch (IOException harmless) {
            Core.warn("a lock cannot be released: " + harmless);
        }
    }

    private static File queue(File folder, int place) {
        return new File(folder, "queue-" + place);
    }

    static File segment(File queue, long number) {
        return new File(queue, String.format(Locale.ROOT, "%016d", number) + SUFFIX);
    }

    static long number(File segment) {
        return Long.parseLong(segment.getName().substring(0, 16));
    }

    /** Returns the batches in a folder, oldest first. */
    static File[] segments(File queue) {
        File[] found = queue == null ? null : queue.listFiles((in, name) -> name.matches("[0-9]{16}\\.batch"));
        if (found == null) {
            return new File[0];
        }
        Arrays.sort(found);
        return found;
    }

    private static void makePrivate(File folder) throws IOException {
        if (!folder.isDirectory() && !folder.mkdirs() && !folder.isDirectory()) {
            throw new IOException("cannot make " + folder);
        }
        boolean done = folder.setReadable(false, false) && folder.setWritable(false, false) && folder.setExecutable(false, false);
        done = done && folder.setReadable(true, true) && folder.setWritable(true, true) && folder.setExecutable(true, true);
        if (!done) {
            Core.warn("others may be able to read " + folder);
        }
    }
}
