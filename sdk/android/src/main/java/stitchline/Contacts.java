package stitchline;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Locale;
import java.util.Set;

/**
 * E-mail addresses and phone numbers: one spelling, then SHA-256.
 *
 * <p>In: what a person typed. Out: the one spelling or its hash; null where it names nobody. No regular expression: {@code \s} and {@code \w} differ between
 * Android and the JVM.
 */
final class Contacts {
    private static final Set<String> NOBODYS_MAILBOXES = set(
            "noreply", "no-reply", "no_reply", "donotreply", "do-not-reply", "info", "mailer-daemon", "postmaster", "webmaster", "abuse");
    private static final Set<String> NOBODYS_ADDRESSES =
            set("test@test.com", "test@example.com", "email@example.com", "user@example.com");
    /** What a careless integration hashes when there is no address: nothing, null, none, undefined, None. */
    private static final Set<String> HASHED_NOTHING = set(
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "74234e98afe7498fb5daf1f36ac2d78acc339464f950703b8c019892f982b90b",
            "140bedbf9c3f6d56a9846d2ba7088798683f4da0c248231336e6a05679e4fdfe",
            "eb045d78d273107348b0300c01d29b7552d622abbc6faf81b3ec55359aa9950c",
            "dc937b59892604f5a86ac96936cd7ff09e25f18ae6b758e8014a24c7fa039e91");

    private Contacts() {}

    /** Returns what leaves of a contact; null where it names nobody. */
    static String cleaned(String namespace, String text, boolean hash) {
        if (isHash(text)) {
            String known = text.toLowerCase(Locale.ROOT);
            return HASHED_NOTHING.contains(known) ? null : known;
        }
        String contact = namespace.equals("email") ? email(text) : phone(text);
        return contact == null || !hash ? contact : sha256(contact);
    }

    /** Returns the text without white space around it, no-break spaces among it. */
    static String trimmed(String text) {
        int from = 0;
        int to = text.length();
        while (from < to && isSpace(text.charAt(from))) {
            from++;
        }
        while (to > from && isSpace(text.charAt(to - 1))) {
            to--;
        }
        return text.substring(from, to);
    }

    private static boolean isSpace(char c) {
        return Character.isWhitespace(c) || Character.isSpaceChar(c);
    }

    private static boolean isHash(String text) {
        if (text.length() != 64) {
            return false;
        }
        for (int at = 0; at < 64; at++) {
            if ("0123456789abcdefABCDEF".indexOf(text.charAt(at)) < 0) {
                return false;
            }
        }
        return true;
    }

    private static String email(String text) {
        String address = text.toLowerCase(Locale.ROOT); // in Turkish, I would become another letter
        int at = address.indexOf('@');
        if (at < 1 || address.indexOf('@', at + 1) >= 0 || address.chars().anyMatch(c -> isSpace((char) c))) {
            return null;
        }
        String[] labels = address.substring(at + 1).split("\\.", -1);
        boolean possible = labels.length > 1 && !Arrays.asList(labels).contains("");
        boolean nobodys = NOBODYS_ADDRESSES.contains(address) || NOBODYS_MAILBOXES.contains(address.substring(0, at));
        return possible && !nobodys ? address : null;
    }

    private static String phone(String text) {
        String zeroless = text.replace("(0)", "");
        StringBuilder kept = new StringBuilder();
        for (int at = 0; at < zeroless.length(); at++) {
            char c = zeroless.charAt(at);
            boolean filler = isSpace(c) || "().-/".indexOf(c) >= 0 || c >= '\u2010' && c <= '\u2015';
            if (!filler) {
                kept.append(c);
            }
        }
        String number = kept.indexOf("00") == 0 ? "+" + kept.substring(2) : kept.toString();
        return isE164(number) ? number : null;
    }

    private static boolean isE164(String number) {
        int digits = number.length() - 1;
        if (digits < 7 || digits > 15 || number.charAt(0) != '+' || number.charAt(1) == '0') {
            return false;
        }
        return number.chars().skip(1).allMatch(c -> c >= '0' && c <= '9');
    }

    private static String sha256(String text) {
        StringBuilder hex = new StringBuilder(64);
        for (byte one : digest(text)) {
            hex.append(Character.forDigit(one >> 4 & 15, 16)).append(Character.forDigit(one & 15, 16));
        }
        return hex.toString();
    }

    private static byte[] digest(String text) {
        try {
            return MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
        } catch (NoSuchAlgorithmException impossible) {
            throw new IllegalStateException(impossible); // every Java platform has it
        }
    }

    private static Set<String> set(String... texts) {
        return new HashSet<>(Arrays.asList(texts));
    }
}
