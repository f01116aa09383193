/** The whole SDK for a page: the core, contacts that are hashed here, link tokens, and scopes. */

import { Client } from "./core";
import { scoped, type ScopeOptions } from "./scope";
import type { Speaker } from "./speaker";

export * from "./core";
export type { ScopeOptions } from "./scope";

declare module "./core" {
  interface Client {
    /** Speaks for one person on one device. A wrong value is counted and left out. */
    scope(options?: ScopeOptions): Speaker;
  }
}

Client.prototype.scope = function (options = {}) {
  return scoped(Object.prototype, this._core, options);
};
