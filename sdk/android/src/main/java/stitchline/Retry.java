package stitchline;

import java.text.ParseException;
import java.text.SimpleDateFormat;
import java.util.Locale;
import java.util.TimeZone;

/** What an answer means for its batch, and how long to wait (protocol, section 9). In: status and headers. Out: a verdict, seconds. */
final class Retry {
    enum Decision { DELIVERED, RETRY, SPLIT, DROP }

    private static final double MAX_RETRY_AFTER_S = 300;
    private static final int MOST_DOUBLINGS = 32;

    final Decision decision;
    final String reason;

    private Retry(Decision decision, String reason) {
        this.decision = decision;
        this.reason = reason;
    }

    /**
     * Decides.
     *
     * @param status of the answer; 0 where there was none, or half of one
     * @param isReply the body is a collector's
     * @param events in the batch
     * @param keeps unsent events outlive the program
     */
    static Retry of(int status, boolean isReply, int events, boolean keeps) {
        if (status == 200 && isReply) {
            return new Retry(Decision.DELIVERED, null);
        }
        if (status == 413) {
            return events > 1 ? new Retry(Decision.SPLIT, null) : drop("too_large");
        }
        boolean mendable = status == 401 || status == 403 || status == 404;
        boolean passing = status < 400 || status == 408 || status == 425 || status == 429 || status >= 500;
        if (passing || mendable && keeps) {
            return new Retry(Decision.RETRY, null);
        }
        return drop(mendable ? status == 404 ? "not_found" : "unauthorized" : "refused");
    }

    private static Retry drop(String reason) {
        return new Retry(Decision.DROP, reason);
    }

    /** Returns the seconds to wait: exponential with full jitter; drawn is 0 to 1. */
    static double backoffS(int failures, double baseS, double maxS, double drawn) {
        return drawn * Math.min(maxS, baseS * Math.pow(2, Math.min(failures - 1, MOST_DOUBLINGS)));
    }

    /** Returns the seconds that Retry-After asks for, 0 to 300; -1 where it is missing or unreadable. */
    static double retryAfterS(String header, long nowMs) {
        String text = header == null ? "" : header.trim();
        if (text.isEmpty()) {
            return -1;
        }
        if (text.length() < 10 && text.chars().allMatch(c -> c >= '0' && c <= '9')) {
            return Math.min(MAX_RETRY_AFTER_S, Integer.parseInt(text));
        }
        SimpleDateFormat date = new SimpleDateFormat("EEE, dd MMM yyyy HH:mm:ss zzz", Locale.US);
        date.setTimeZone(TimeZone.getTimeZone("GMT"));
        date.setLenient(false);
        try {
            return Math.min(MAX_RETRY_AFTER_S, Math.max(0, (date.parse(text).getTime() - nowMs) / 1000.0));
        } catch (ParseException unreadable) {
            return -1;
        }
    }
}
