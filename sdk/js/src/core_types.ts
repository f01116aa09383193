/** The types of `stitchline/core`: those of `core.ts`, with no more options than the core reads. */

import type { BrowserOptions, Client as Made } from "./core";

export * from "./core";

export type CoreOptions = Pick<
  BrowserOptions,
  "app_version" | "auto_page" | "channel" | "consent" | "device" | "identifiers" | "require_consent"
>;
export type Client = Made;
export declare const Client: new (endpoint: string, write_key: string, options?: CoreOptions) => Client;
export declare const init: (endpoint: string, write_key: string, options?: CoreOptions) => Client | undefined;
