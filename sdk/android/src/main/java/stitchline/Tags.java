package stitchline;

import java.util.Date;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.UUID;

/** What one event, or a scope, carries besides its name. A wrong value makes the event invalid; it never throws here. */
public final class Tags {
    private static final int MAX_TEXT_CHARS = 256;
    private static final int MAX_URL_CHARS = 8192;
    private static final int MAX_TITLE_CHARS = 2048;

    final Map<String, Object> who = new LinkedHashMap<>();
    final Map<String, Object> fields = new LinkedHashMap<>();
    Map<String, ?> properties;
    String wrong;

    /** The login, as your systems know it. */
    public Tags user(String value) {
        who.put("user", value);
        return this;
    }

    /** An address; hashed before it leaves. */
    public Tags email(String value) {
        who.put("email", value);
        return this;
    }

    /** A number that begins with + or 00; hashed before it leaves. */
    public Tags phone(String value) {
        who.put("phone", value);
        return this;
    }

    /** Any other namespaces: texts, whole numbers or UUIDs. */
    public Tags identifiers(Map<String, ?> value) {
        who.putAll(value);
        return this;
    }

    /** JSON values of your own, for calls that do not take them by position. */
    public Tags properties(Map<String, ?> value) {
        properties = value;
        return this;
    }

    /** Where it happened. */
    public Tags channel(String value) {
        return put("channel", value);
    }

    /** At which stage of the journey. */
    public Tags stage(String value) {
        return put("stage", value);
    }

    /** The session, where the app keeps one. */
    public Tags sessionId(String value) {
        return put("session_id", value);
    }

    /** Another device on which it happened; such an event has no seq. */
    public Tags deviceId(String value) {
        Map<String, Object> device = new LinkedHashMap<>();
        device.put("id", value);
        fields.put("device", device);
        return this;
    }

    /** The page, e.g. in a web view; each may be null. */
    public Tags page(String url, String title, String referrer) {
        Map<String, Object> page = new LinkedHashMap<>();
        part(page, "url", url, MAX_URL_CHARS);
        part(page, "title", title, MAX_TITLE_CHARS);
        part(page, "referrer", referrer, MAX_URL_CHARS);
        fields.put("page", page);
        return this;
    }

    /** What brought the person here, by source, medium, name, term, content and click_id. */
    public Tags campaign(Map<String, String> value) {
        Map<String, Object> campaign = new LinkedHashMap<>();
        for (Map.Entry<String, String> entry : value.entrySet()) {
            boolean known = "source medium name term content click_id".contains(entry.getKey());
            wrong = known ? wrong : "a campaign has source, medium, name, term, content and click_id";
            part(campaign, entry.getKey(), entry.getValue(), MAX_TEXT_CHARS);
        }
        fields.put("campaign", campaign);
        return this;
    }

    /** When it happened, if not now. */
    public Tags occurredAt(Date value) {
        fields.put("occurred_at", Ids.utcText(value.getTime()));
        return this;
    }

    /** Its id, where the app has one. */
    public Tags eventId(UUID value) {
        fields.put("event_id", value.toString());
        return this;
    }

    private Tags put(String field, String value) {
        if (value == null || value.isEmpty() || value.length() > MAX_TEXT_CHARS) {
            wrong = field + " is a text of 1 to " + MAX_TEXT_CHARS + " characters";
        } else {
            fields.put(field, value);
        }
        return this;
    }

    /** Cuts instead of refusing: an address that is too long is nobody's mistake in the app. */
    private static void part(Map<String, Object> into, String field, String value, int maxChars) {
        if (value != null && !value.isEmpty()) {
            into.put(field, value.length() > maxChars ? value.substring(0, maxChars) : value);
        }
    }

    /** Returns the text, checked. */
    static String text(String field, String value) {
        if (value == null || value.isEmpty() || value.length() > MAX_TEXT_CHARS) {
            throw new InvalidEvent(field + " is a text of 1 to " + MAX_TEXT_CHARS + " characters");
        }
        return value;
    }
}
