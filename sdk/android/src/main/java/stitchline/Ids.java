package stitchline;

import java.security.SecureRandom;
import java.util.Calendar;
import java.util.GregorianCalendar;
import java.util.Locale;
import java.util.TimeZone;
import java.util.UUID;

/**
 * UUIDv7 (RFC 9562) and times as texts.
 *
 * <p>In: milliseconds since 1970. Out: ids that rise, also within a millisecond and when the clock steps back a little; RFC 3339 in UTC.
 */
final class Ids {
    // A clock corrected by more than this starts afresh: ids must not stay in a wrong future for ever.
    private static final long MAX_STEP_BACK_MS = 10_000;
    private static final int COUNTER_MAX = 0xFFF;

    private final SecureRandom random = new SecureRandom();
    private long lastMs = Long.MIN_VALUE / 2;
    private int count;
    private long tail;

    /** Returns the next id. */
    synchronized String next(long ms) {
        if (ms > lastMs || ms < lastMs - MAX_STEP_BACK_MS) {
            begin(ms);
        } else if (++count > COUNTER_MAX) {
            begin(lastMs + 1);
        }
        return new UUID(lastMs << 16 | 0x7000 | count, tail).toString();
    }

    /** Begins a millisecond: the counter starts at random in its lower half, to leave room. */
    private void begin(long ms) {
        lastMs = ms;
        count = random.nextInt(0x800);
        tail = random.nextLong() & 0x3FFFFFFFFFFFFFFFL | 0x8000000000000000L;
    }

    /** Returns e.g. {@code 2026-11-22T15:20:00.123Z}, in these digits and this calendar whatever the device's language is. */
    static String utcText(long ms) {
        Calendar at = new GregorianCalendar(TimeZone.getTimeZone("UTC"), Locale.ROOT);
        at.setTimeInMillis(ms);
        return String.format(
                Locale.ROOT,
                "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
                at.get(Calendar.YEAR),
                at.get(Calendar.MONTH) + 1,
                at.get(Calendar.DAY_OF_MONTH),
                at.get(Calendar.HOUR_OF_DAY),
                at.get(Calendar.MINUTE),
                at.get(Calendar.SECOND),
                at.get(Calendar.MILLISECOND));
    }
}
