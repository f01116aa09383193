package stitchline;

/** One person on one device, where an app speaks for several: the profiles of a family's tablet, a reader beside a till. Made by {@link Client#scope}. */
public final class Scope extends Calls {
    private final Speaker speaker;

    Scope(Speaker speaker) {
        this.speaker = speaker;
    }

    @Override
    Speaker speaker() {
        return speaker;
    }
}
