/** A constant of the build: whether this is the whole SDK, or the core, from which what stands behind it is left out. */
declare const WHOLE: boolean;
