package stitchline;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.CRC32;

/**
 * A batch: in memory until it is on disk, and on disk until it is settled.
 *
 * <p>A file is records of length, CRC-32 and bytes; the first is the head that the events share. A torn or damaged record ends it.
 */
final class Segment {
    private static final int MAX_RECORD_BYTES = 8 << 20;

    final long number;
    /** The members that its events share, as JSON without braces; of a file it is known once the file was read. */
    String head;
    /** Where it is; null in memory only. */
    File file;
    /** Its events; null where they are on disk only. */
    List<byte[]> lines = new ArrayList<>();
    /** How many events were said before its first one. */
    long before;
    int saved;
    long bytes;
    long sinceNanos;
    boolean sealed;
    boolean inFlight;
    private FileOutputStream out;

    Segment(long number, String head, File file) {
        this.number = number;
        this.head = head;
        this.file = file;
    }

    /** One that an earlier run left. */
    static Segment left(long number, File file) {
        Segment segment = new Segment(number, "", file);
        segment.lines = null;
        segment.bytes = file.length();
        segment.sealed = true;
        return segment;
    }

    /** Appends events to the file; when it returns they outlive the program, and the power. */
    void append(List<byte[]> fresh) throws IOException {
        ByteArrayOutputStream records = new ByteArrayOutputStream();
        DataOutputStream to = new DataOutputStream(records);
        if (out == null) {
            out = new FileOutputStream(file);
            record(to, head.getBytes(StandardCharsets.UTF_8));
        }
        for (byte[] line : fresh) {
            record(to, line);
        }
        records.writeTo(out);
        out.getFD().sync();
    }

    private static void record(DataOutputStream to, byte[] data) throws IOException {
        to.writeInt(data.length);
        to.writeInt(crc(data));
        to.write(data);
    }

    private static int crc(byte[] data) {
        CRC32 crc = new CRC32();
        crc.update(data);
        return (int) crc.getValue();
    }

    /** Reads the file. What is torn or damaged is counted, and nothing behind it is believed. */
    List<byte[]> read(Losses losses) {
        List<byte[]> found = new ArrayList<>();
        try {
            byte[] all = Files.readAllBytes(file.toPath());
            DataInputStream from = new DataInputStream(new ByteArrayInputStream(all));
            while (from.available() > 0) {
                byte[] data = data(from);
                if (data == null) {
                    losses.count("offline_corrupt", 1);
                    break;
                }
                found.add(data);
            }
        } catch (IOException unreadable) {
            losses.count("offline_corrupt", 1);
        }
        if (!found.isEmpty()) {
            head = new String(found.remove(0), StandardCharsets.UTF_8);
        }
        return found;
    }

    /** Returns the next record's bytes; null where it is torn. */
    private static byte[] data(DataInputStream from) throws IOException {
        if (from.available() < 8) {
            return null;
        }
        int length = from.readInt();
        int crc = from.readInt();
        if (length < 0 || length > MAX_RECORD_BYTES || length > from.available()) {
            return null;
        }
        byte[] data = new byte[length];
        from.readFully(data);
        return crc(data) == crc ? data : null;
    }

    /** Gives the file up: it is complete. */
    void closeFile() {
        try {
            if (out != null) {
                out.close();
            }
        } catch (IOException harmless) {
            // every append was forced to disk already
        }
    }

    /** Removes the file. */
    void delete() {
        closeFile();
        if (file != null && !file.delete() && file.exists()) {
            Core.warn("a delivered batch cannot be removed and will be sent again: " + file);
        }
    }
}
