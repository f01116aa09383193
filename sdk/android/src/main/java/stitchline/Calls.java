package stitchline;

import java.util.Map;

/**
 * What an app can say, the same on a {@link Client} and on a {@link Scope}.
 *
 * <p>Every call returns at once and from any thread: true when the event is queued, false when it is lost, which is counted. None throws because of delivery;
 * a wrong value throws {@link InvalidEvent} only with {@code debug(true)}.
 */
public abstract class Calls {
    abstract Speaker speaker();

    /** Says that something happened, e.g. {@code product_viewed}. */
    public boolean track(String name) {
        return track(name, null, null);
    }

    /** Says that something happened, with JSON values of your own, which are copied at once. */
    public boolean track(String name, Map<String, ?> properties) {
        return track(name, properties, null);
    }

    /** Says that something happened, and where, at which stage, to whom. */
    public boolean track(String name, Map<String, ?> properties, Tags tags) {
        return speaker().say("track", name, null, properties, tags);
    }

    /** Says that a screen was seen. */
    public boolean screen(String name) {
        return screen(name, null, null);
    }

    /** Says that a screen was seen; properties and tags may be null. */
    public boolean screen(String name, Map<String, ?> properties, Tags tags) {
        return speaker().say("screen", name, null, properties, tags);
    }

    /** Says that a page was seen, e.g. in a web view; name, properties and tags may be null. */
    public boolean page(String name, Map<String, ?> properties, Tags tags) {
        return speaker().say("page", name, null, properties, tags);
    }

    /** Says who uses the device; later events carry it until {@code logout}. */
    public boolean identify(String user) {
        return identify(user, null);
    }

    /** Says who uses the device by more than a login; user and tags may be null. */
    public boolean identify(String user, Tags tags) {
        return speaker().identify(user, tags == null ? new Tags() : tags);
    }

    /** Says that this side and the other are one person, e.g. device to the id in a QR code. */
    public boolean link(Map<String, ?> linked) {
        return link(linked, null);
    }

    /** Says that this side and the other are one person; tags may be null. */
    public boolean link(Map<String, ?> linked, Tags tags) {
        return speaker().relate("link", linked, tags);
    }

    /** Says that this side and the other are not one person; tags may be null. */
    public boolean unlink(Map<String, ?> linked, Tags tags) {
        return speaker().relate("unlink", linked, tags);
    }

    /** Says that the person leaves; the next event is a stranger's, in another session. */
    public boolean logout() {
        return speaker().logout();
    }

    /** Says what the person allows, by purpose; later events carry it. */
    public boolean consent(Map<String, Boolean> purposes) {
        return speaker().consent(purposes);
    }
}
