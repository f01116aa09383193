package stitchline;

/** A value that cannot be sent. A call throws it only where the client was made with {@code debug(true)}; else it is counted. */
public final class InvalidEvent extends IllegalArgumentException {
    private static final long serialVersionUID = 1L;

    /** {@code invalid}, or {@code too_large}: what it is counted as. */
    public final String reason;

    InvalidEvent(String message) {
        this("invalid", message);
    }

    InvalidEvent(String reason, String message) {
        super(message);
        this.reason = reason;
    }
}
