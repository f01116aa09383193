/**
 * Node 20 and newer: a process that speaks for many people, or one device of any kind.
 *
 * Events wait in memory, and are drained before the process exits by itself and on SIGTERM. `process.exit()` asks nobody:
 * `await close()` before it.
 */

import { AsyncLocalStorage } from "node:async_hooks";
import { release } from "node:os";
import { clientOf, type Client as Made } from "./client";
import { newId } from "./ids";
import { forgetful, inMemory } from "./memory";
import { scoped, type ScopeOptions } from "./scope";
import type { Options } from "./settings";
import type { Calls, Core, Speaker } from "./speaker";
import { SDK } from "./version";

export type * from "./event";
export type { ScopeOptions } from "./scope";
export { ConfigurationError } from "./settings";

export interface NodeOptions extends Options {
  /** Seconds to drain at exit, on SIGTERM and in `close`; 5. */
  shutdown_timeout_s?: number;
  /** Handle SIGTERM where nobody else does: drain, then end as before; true. */
  drain_on_sigterm?: boolean;
}

interface Binding {
  scope: Scope;
  outer: Binding | undefined;
}

const binding = new AsyncLocalStorage<Binding>();
const SYSTEMS: Record<string, string> = { linux: "Linux", darwin: "macOS", win32: "Windows", android: "Android" };

/** One person on one device. Use it directly, or bind it: inside `run`, calls on its client are the scope's. */
export interface Scope extends Speaker {}

export class Scope {
  private _core: Core;

  private constructor(core: Core, options: ScopeOptions) {
    this._core = core;
    return scoped(this, core, options) as Scope;
  }

  /** Runs a function, and all that it awaits, for this person. */
  run<T>(work: () => T): T {
    return binding.run({ scope: this, outer: binding.getStore() }, work);
  }

  /** @internal */
  static _made(core: Core, options: ScopeOptions): Scope {
    return new Scope(core, options);
  }

  /** @internal The scope that is bound here, if it is one of that client's. */
  static _bound(core: Core): Scope | undefined {
    let bound = binding.getStore();
    while (bound && bound.scope._core != core) bound = bound.outer;
    return bound?.scope;
  }
}

const NAMES = ["track", "page", "screen", "identify", "link", "unlink", "logout", "consent"] as const;

export interface Client extends Made {}

export class Client {
  /** @throws ConfigurationError a setting could never work */
  constructor(endpoint: string, write_key: string, options: NodeOptions = {}) {
    const { device: given = {}, channel, app_version, shutdown_timeout_s = 5 } = options;
    const { locale, timeZone: timezone } = Intl.DateTimeFormat().resolvedOptions();
    const os = SYSTEMS[process.platform] || process.platform;
    const found = { type: "server" as const, os, os_version: release(), app_version, locale, timezone };
    const device = { ...found, ...given, id: given.id || newId(Date.now()) };
    const head = JSON.stringify({ sdk: SDK, device, channel: channel || undefined });
    let seq = 0;
    const keeper = inMemory({});
    const client = clientOf(
      new.target.prototype, endpoint, write_key, { ...options, device }, keeper,
      () => ({ _alone: async (drain) => void (await drain()) }),
      {
        _unsaid: () => false,
        _agreed() {},
        _page: () => undefined,
        _device: () => device.id,
        _head: () => head,
        // A device that was named may have other processes, whose numbers are not known here.
        _seq: given.id ? undefined : () => ++seq,
      },
    );
    if (device.type == "server") Object.assign(keeper, forgetful(keeper._load()));
    const bound = (): Scope | undefined => Scope._bound(client._core);
    const own = Object.getOwnPropertyDescriptors(client);
    for (const name of NAMES) {
      const call = client[name] as (...given: any[]) => boolean;
      (client as any)[name] = (...given: any[]): boolean => ((bound()?.[name] as typeof call) || call)(...given);
    }
    Object.defineProperties(client, {
      identifiers: { get: () => bound()?.identifiers || own.identifiers.get!() },
      session_id: {
        get() {
          const scope = bound();
          return scope ? scope.session_id : own.session_id.get!();
        },
      },
    });
    const { close } = client;
    const exit = (): void => void client.close();
    const sigterm = (): void => void client.close().then(() => process.kill(process.pid, "SIGTERM"));
    (client as any).close = (timeout_s = shutdown_timeout_s) => {
      process.off("beforeExit", exit);
      process.off("SIGTERM", sigterm);
      return close(timeout_s);
    };
    process.on("beforeExit", exit);
    if (options.drain_on_sigterm != false && !process.listenerCount("SIGTERM")) process.once("SIGTERM", sigterm);
    return client as Client;
  }

  /** Speaks for one person on one device. A wrong value is counted and left out. */
  scope(options: ScopeOptions = {}): Scope {
    return Scope._made(this._core, options);
  }
}

let current: Client | undefined;

/**
 * Makes the process's own client, which the calls below use; one made before is drained and closed.
 * @throws ConfigurationError a setting could never work
 */
export function init(endpoint: string, write_key: string, options?: NodeOptions): Client {
  const made = new Client(endpoint, write_key, options);
  void current?.close();
  return (current = made);
}

/** Returns the process's own client, if `init` was called. */
export const client = (): Client | undefined => current;

/** The calls of the process's own client. */
const calls = {} as Calls;
for (const name of NAMES)
  calls[name] = (...given: any[]): boolean => {
    if (current) return (current[name] as (...given: any[]) => boolean)(...given);
    console.warn("stitchline: nothing is sent before init(endpoint, write_key)");
    return false;
  };
export const { track, page, screen, identify, link, unlink, logout, consent } = calls;

/** Waits until everything queued so far is delivered; true also before `init`. */
export const flush = async (timeout_s?: number): Promise<boolean> => !current || current.flush(timeout_s);
/** Delivers what is queued, then ends; true also before `init`. */
export const close = async (timeout_s?: number): Promise<boolean> => {
  const before = current;
  current = undefined;
  return !before || before.close(timeout_s);
};
