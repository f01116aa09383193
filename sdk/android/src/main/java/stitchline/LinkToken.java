package stitchline;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * One side of a {@code link}, signed and short-lived, on its way to another device (protocol, section 13).
 *
 * <p>In: an address or a text from anywhere. Out: whom to link. Guaranteed: what is changed, cut, too old or of another key is null, never an exception.
 */
public final class LinkToken {
    /** The parameter of an address that carries it. */
    public static final String PARAMETER = "_stl";

    private static final String VERSION = "st1.";
    private static final long MAX_LIFE_S = 30 * 86_400;
    private static final long SKEW_S = 120;
    private static final int MIN_KEY_BYTES = 16;
    private static final int MAC_BYTES = 16;

    /** The maker's identifiers, contacts hashed: pass them to {@code link}. */
    public final Map<String, String> linked;
    /** How it travelled, e.g. {@code qr}; empty where its maker did not say. */
    public final String via;

    private LinkToken(Map<String, String> linked, String via) {
        this.linked = linked;
        this.via = via;
    }

    /** An address without its token, and the token; null where there was none. */
    public static final class Taken {
        /** The token; null where the address has none. */
        public final String token;
        /** The address without it. */
        public final String url;

        Taken(String token, String url) {
            this.token = token;
            this.url = url;
        }
    }

    /**
     * Signs identifiers.
     *
     * @param linked who makes it, e.g. device to this device's id; in an e-mail the address
     * @param linkKey what all sides share, at least 16 bytes
     * @param via {@code qr}, {@code email}, {@code deep_link}, {@code cross_domain} or a word of your own; may be empty
     * @param lifeS seconds until it ends, 1 to 2,592,000; 300 is enough for a QR code
     * @param nowS now, seconds since 1970
     * @return the token; null where nobody is named, or key or life are out of range
     */
    public static String make(Map<String, ?> linked, String linkKey, String via, long lifeS, long nowS) {
        if (bytes(linkKey).length < MIN_KEY_BYTES || lifeS < 1 || lifeS > MAX_LIFE_S) {
            return null;
        }
        Map<String, String> who = Identifiers.cleaned(linked, true, new Losses(null));
        if (who.isEmpty()) {
            return null;
        }
        Map<String, Object> payload = new LinkedHashMap<>();
        payload.put("iat", nowS);
        payload.put("exp", nowS + lifeS);
        payload.put("linked", who);
        if (!via.isEmpty()) {
            payload.put("via", via);
        }
        return signed(base64(bytes(Json.write(payload))), linkKey);
    }

    /** Returns what a token says; null where nothing may be linked by it. */
    public static LinkToken read(String token, String linkKey, String ownDevice, long nowS) {
        String[] parts = token.split("\\.", -1);
        if (parts.length != 3 || bytes(linkKey).length < MIN_KEY_BYTES) {
            return null;
        }
        if (!MessageDigest.isEqual(bytes(signed(parts[1], linkKey)), bytes(token))) {
            return null;
        }
        try {
            byte[] json = Base64.getUrlDecoder().decode(parts[1]);
            return said(JsonReader.readObject(new String(json, StandardCharsets.UTF_8)), ownDevice, nowS);
        } catch (IllegalArgumentException | ClassCastException unreadable) {
            return null;
        }
    }

    private static LinkToken said(Map<String, Object> payload, String ownDevice, long nowS) {
        long iat = ((Long) payload.getOrDefault("iat", "")).longValue();
        long exp = ((Long) payload.getOrDefault("exp", "")).longValue();
        String via = (String) payload.getOrDefault("via", "");
        Map<String, String> who = Identifiers.cleaned(JsonReader.object(payload.get("linked")), true, new Losses(null));
        boolean inTime = iat - SKEW_S <= nowS && nowS <= exp + SKEW_S && exp > iat && exp - iat <= MAX_LIFE_S;
        boolean own = who.containsKey("device") && who.get("device").equals(ownDevice);
        return inTime && !own && !who.isEmpty() ? new LinkToken(who, via) : null;
    }

    /** Takes the token out of an address, so that it is not recorded or passed on with it. */
    public static Taken take(String url) {
        int hash = url.indexOf('#') < 0 ? url.length() : url.indexOf('#');
        int mark = url.substring(0, hash).indexOf('?');
        if (mark < 0) {
            return new Taken(null, url);
        }
        List<String> kept = new ArrayList<>(Arrays.asList(url.substring(mark + 1, hash).split("&", -1)));
        String token = null;
        for (String part : new ArrayList<>(kept)) {
            if (part.startsWith(PARAMETER + "=")) {
                token = token == null ? part.substring(PARAMETER.length() + 1) : token;
                kept.remove(part);
            }
        }
        String query = kept.isEmpty() ? "" : "?" + String.join("&", kept);
        return token == null ? new Taken(null, url) : new Taken(token, url.substring(0, mark) + query + url.substring(hash));
    }

    /** Returns the token of an encoded payload: HMAC-SHA256, cut to 128 bits to keep QR codes small. */
    static String signed(String payload, String linkKey) {
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(bytes(linkKey), "HmacSHA256"));
            byte[] whole = mac.doFinal(bytes(VERSION + payload));
            return VERSION + payload + "." + base64(Arrays.copyOf(whole, MAC_BYTES));
        } catch (GeneralSecurityException impossible) {
            throw new IllegalStateException(impossible); // every Java platform has it
        }
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static String base64(byte[] data) {
        return Base64.getUrlEncoder().withoutPadding().encodeToString(data);
    }
}
