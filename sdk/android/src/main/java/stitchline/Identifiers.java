package stitchline;

import java.math.BigInteger;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.UUID;

/** Who an event is about. In: what an app holds, by namespace. Out: what may leave. Guaranteed: nothing in it names nobody. */
final class Identifiers {
    private static final Set<String> NOBODY = new HashSet<>(Arrays.asList(
            "", "0", "null", "none", "nil", "undefined", "nan", "unknown", "anonymous", "guest", "test", "[object object]"));
    private static final int MAX_ENTRIES = 32;
    private static final int MAX_NAME_CHARS = 64;
    private static final int MAX_VALUE_CHARS = 512;

    private Identifiers() {}

    /** Returns the identifiers that name somebody; each other one is counted, and a null claims nothing. */
    static Map<String, String> cleaned(Map<String, ?> given, boolean hashContacts, Losses losses) {
        Map<String, String> who = new LinkedHashMap<>();
        for (Map.Entry<String, ?> entry : given.entrySet()) {
            if (entry.getValue() == null) {
                continue;
            }
            String value = cleaned(name(entry.getKey()), text(entry.getValue()), hashContacts);
            if (value == null) {
                losses.count("identifier_refused", 1);
            } else {
                who.put(entry.getKey(), value);
            }
        }
        if (who.size() > MAX_ENTRIES) {
            throw new InvalidEvent("more than " + MAX_ENTRIES + " identifiers");
        }
        return who;
    }

    private static String cleaned(String namespace, String value, boolean hashContacts) {
        String text = Contacts.trimmed(value);
        if (namesNobody(text)) {
            return null;
        }
        if (namespace.equals("email") || namespace.equals("phone")) {
            return Contacts.cleaned(namespace, text, hashContacts);
        }
        if (text.length() > MAX_VALUE_CHARS) {
            throw new InvalidEvent("an identifier has more than " + MAX_VALUE_CHARS + " characters");
        }
        return text;
    }

    private static boolean namesNobody(String text) {
        return NOBODY.contains(text.toLowerCase(Locale.ROOT)) || text.chars().allMatch(c -> c == '0' || c == '-');
    }

    private static String name(String namespace) {
        if (namespace == null || namespace.isEmpty() || namespace.length() > MAX_NAME_CHARS) {
            throw new InvalidEvent("a namespace is a text of 1 to " + MAX_NAME_CHARS + " characters, such as loyalty");
        }
        return namespace;
    }

    private static String text(Object value) {
        boolean whole = value instanceof Integer || value instanceof Long || value instanceof Short || value instanceof BigInteger;
        if (whole || value instanceof CharSequence || value instanceof UUID) {
            return value.toString();
        }
        throw new InvalidEvent("an identifier is a text, a whole number or a UUID");
    }
}
