package stitchline;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Reads JSON: an answer of the collector, a link token, the state file.
 *
 * <p>In: a text from anywhere. Out: maps, lists, Strings, Longs, Doubles, Booleans, null. Guaranteed: what is no whole JSON text is an
 * IllegalArgumentException and nothing else, also where it nests for ever.
 */
final class JsonReader {
    private static final int MAX_DEPTH = 64;

    private final String text;
    private int at;
    private int depth;

    private JsonReader(String text) {
        this.text = text;
    }

    /** Returns the one value that the text is. */
    static Object read(String text) {
        JsonReader reader = new JsonReader(text);
        Object value = reader.value();
        reader.space();
        if (reader.at != text.length()) {
            throw reader.wrong();
        }
        return value;
    }

    /** Returns the one object that the text is, by name. */
    static Map<String, Object> readObject(String text) {
        return object(read(text));
    }

    /** Returns the value as an object. */
    static Map<String, Object> object(Object value) {
        if (!(value instanceof Map)) {
            throw new IllegalArgumentException("no JSON object");
        }
        Map<String, Object> found = new LinkedHashMap<>();
        for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet()) {
            found.put((String) entry.getKey(), entry.getValue());
        }
        return found;
    }

    private IllegalArgumentException wrong() {
        return new IllegalArgumentException("no JSON at character " + at);
    }

    private void space() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
    }

    private char next() {
        if (at == text.length()) {
            throw wrong();
        }
        return text.charAt(at++);
    }

    private boolean took(char expected) {
        space();
        boolean there = at < text.length() && text.charAt(at) == expected;
        at += there ? 1 : 0;
        return there;
    }

    private void expect(char expected) {
        if (!took(expected)) {
            throw wrong();
        }
    }

    private Object value() {
        if (++depth > MAX_DEPTH) {
            throw wrong();
        }
        space();
        Object found = at < text.length() ? valueAt(text.charAt(at)) : fail();
        depth--;
        return found;
    }

    private Object fail() {
        throw wrong();
    }

    private Object valueAt(char first) {
        switch (first) {
            case '{':
                return members();
            case '[':
                return elements();
            case '"':
                return string();
            case 't':
                return word("true", Boolean.TRUE);
            case 'f':
                return word("false", Boolean.FALSE);
            case 'n':
                return word("null", null);
            default:
                return number();
        }
    }

    private Object word(String word, Object meaning) {
        if (!text.startsWith(word, at)) {
            throw wrong();
        }
        at += word.length();
        return meaning;
    }

    private Map<String, Object> members() {
        Map<String, Object> found = new LinkedHashMap<>();
        expect('{');
        if (took('}')) {
            return found;
        }
        do {
            space();
            String name = string();
            expect(':');
            found.put(name, value());
        } while (took(','));
        expect('}');
        return found;
    }

    private List<Object> elements() {
        List<Object> found = new ArrayList<>();
        expect('[');
        if (took(']')) {
            return found;
        }
        do {
            found.add(value());
        } while (took(','));
        expect(']');
        return found;
    }

    private String string() {
        expect('"');
        StringBuilder out = new StringBuilder();
        for (char c = next(); c != '"'; c = next()) {
            if (c < ' ') {
                throw wrong();
            }
            out.append(c == '\\' ? escaped() : c);
        }
        return out.toString();
    }

    private char escaped() {
        char c = next();
        if (c == 'u') {
            if (at + 4 > text.length()) {
                throw wrong();
            }
            at += 4;
            return (char) Integer.parseInt(text.substring(at - 4, at), 16);
        }
        int known = "\"\\/bfnrt".indexOf(c);
        if (known < 0) {
            throw wrong();
        }
        return "\"\\/\b\f\n\r\t".charAt(known);
    }

    private Object number() {
        int from = at;
        while (at < text.length() && "+-0123456789.eE".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
        String digits = text.substring(from, at);
        try {
            return Long.valueOf(digits);
        } catch (NumberFormatException notWhole) {
            return Double.valueOf(digits); // its NumberFormatException is an IllegalArgumentException
        }
    }
}
