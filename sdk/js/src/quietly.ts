/** Writes to the console, never about whom an event is; false, for calls that end with it. */
export const warn = (...about: unknown[]): boolean => {
  console.warn("stitchline:", ...about);
  return false;
};

/** Runs what a browser or a page calls: no error may reach the page. */
export const quietly = (run: () => unknown): void => {
  try {
    run();
  } catch (error) {
    warn(error);
  }
};
