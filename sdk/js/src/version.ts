/** Who sends, as every batch says it. */
export const SDK = { name: "stitchline-js", version: "0.1.0" };
