package stitchline;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.Date;
import java.util.Map;
import java.util.UUID;

/**
 * Writes JSON.
 *
 * <p>In: maps, lists, arrays, texts, numbers, booleans, dates, UUIDs, enums. Out: JSON in characters that always have a form in UTF-8.
 * Guaranteed: NaN and infinity become null, a lone surrogate U+FFFD; what contains itself or nests too deeply is refused.
 */
final class Json {
    static final int MAX_DEPTH = 32;
    private static final String HEX = "0123456789abcdef";

    private Json() {}

    /** Returns the value as JSON. */
    static String write(Object value) {
        StringBuilder out = new StringBuilder(256);
        write(out, value, 0);
        return out.toString();
    }

    private static void write(StringBuilder out, Object value, int depth) {
        if (depth > MAX_DEPTH) {
            throw new InvalidEvent("too_large", "more than " + MAX_DEPTH + " levels of nesting");
        }
        if (value == null || value instanceof Boolean) {
            out.append(value);
        } else if (value instanceof CharSequence || value instanceof Character || value instanceof UUID) {
            text(out, value.toString());
        } else if (value instanceof Number) {
            number(out, (Number) value);
        } else if (value instanceof Map) {
            members(out, (Map<?, ?>) value, depth + 1);
        } else if (value instanceof Iterable) {
            elements(out, (Iterable<?>) value, depth + 1);
        } else if (value instanceof Object[]) {
            elements(out, java.util.Arrays.asList((Object[]) value), depth + 1);
        } else if (value instanceof Date) {
            text(out, Ids.utcText(((Date) value).getTime()));
        } else if (value instanceof Enum) {
            text(out, ((Enum<?>) value).name());
        } else {
            throw new InvalidEvent("no JSON value: " + value.getClass().getName());
        }
    }

    private static void number(StringBuilder out, Number value) {
        boolean whole = value instanceof Integer || value instanceof Long || value instanceof Short || value instanceof Byte;
        boolean big = value instanceof BigInteger || value instanceof BigDecimal;
        if (whole || big) {
            out.append(value);
        } else {
            double real = value.doubleValue();
            out.append(Double.isNaN(real) || Double.isInfinite(real) ? "null" : value.toString());
        }
    }

    private static void members(StringBuilder out, Map<?, ?> map, int depth) {
        out.append('{');
        String comma = "";
        for (Map.Entry<?, ?> entry : map.entrySet()) {
            if (!(entry.getKey() instanceof CharSequence)) {
                throw new InvalidEvent("a name in an object is a text");
            }
            out.append(comma);
            text(out, entry.getKey().toString());
            out.append(':');
            write(out, entry.getValue(), depth);
            comma = ",";
        }
        out.append('}');
    }

    private static void elements(StringBuilder out, Iterable<?> values, int depth) {
        out.append('[');
        String comma = "";
        for (Object value : values) {
            out.append(comma);
            write(out, value, depth);
            comma = ",";
        }
        out.append(']');
    }

    private static void text(StringBuilder out, String text) {
        out.append('"');
        for (int at = 0; at < text.length(); at++) {
            char c = text.charAt(at);
            if (c == '"' || c == '\\') {
                out.append('\\').append(c);
            } else if (c < ' ') {
                out.append("\\u00").append(HEX.charAt(c >> 4)).append(HEX.charAt(c & 15));
            } else if (!Character.isSurrogate(c)) {
                out.append(c);
            } else if (isPair(text, at)) {
                out.append(c).append(text.charAt(++at));
            } else {
                out.append('\ufffd');
            }
        }
        out.append('"');
    }

    private static boolean isPair(String text, int at) {
        return Character.isHighSurrogate(text.charAt(at))
                && at + 1 < text.length()
                && Character.isLowSurrogate(text.charAt(at + 1));
    }
}
