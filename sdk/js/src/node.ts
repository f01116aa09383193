/**
 * Node 20 and newer: a process that speaks for many people, or one device of any kind.
 *
 * Events wait in memory, and are drained before the process exits by itself and on SIGTERM. `process.exit()` asks nobody:
 * `await close()` before it.
 */

import { AsyncLocalStorage } from "node:async_hooks";
import { release } from "node:os";
import { Client as Base, inMemory } from "./client";
import "./contacts";
import { newId } from "./ids";
import { now } from "./sender";
import { scoped, type ScopeOptions } from "./scope";
import type { Options } from "./settings";
import { Speaker } from "./speaker";
import { SDK_VERSION } from "./version";

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
export class Scope extends Speaker {
  /** Runs a function, and all that it awaits, for this person. */
  run<T>(work: () => T): T {
    return binding.run({ scope: this, outer: binding.getStore() }, work);
  }

  _of(core: unknown): boolean {
    return this._core == core;
  }
}

export class Client extends Base {
  private _shutdown_s: number;
  private _exit = (): void => void this.close();
  private _sigterm = (): void => {
    void this.close().then(() => process.kill(process.pid, "SIGTERM"));
  };

  /** @throws ConfigurationError a setting could never work */
  constructor(endpoint: string, write_key: string, options: NodeOptions = {}) {
    const { device: given = {}, channel, app_version } = options;
    const { locale, timeZone: timezone } = Intl.DateTimeFormat().resolvedOptions();
    const os = SYSTEMS[process.platform] || process.platform;
    const found = { type: "server" as const, os, os_version: release(), app_version, locale, timezone };
    const device = { ...found, ...given, id: given.id || newId(Date.now()) };
    const head = `"device":${JSON.stringify(device)}${channel ? `,"channel":${JSON.stringify(channel)}` : ""}`;
    let seq = 0;
    let until = 0;
    const memory = options.consent ? { consent: options.consent } : {};
    super(
      endpoint, write_key, { ...options, device }, inMemory(memory),
      () => ({
        sdk: `"sdk":{"name":"stitchline-js","version":"${SDK_VERSION}"},`,
        alone: async (run) => void (await run()),
        forbidden(for_ms) {
          if (for_ms) until = now() + for_ms;
          return until - now();
        },
      }),
      {
        unsaid: () => false,
        device: () => device.id,
        head: () => head,
        // A device that was named may have other processes, whose numbers are not known here.
        seq: given.id ? undefined : () => ++seq,
      },
    );
    this._shutdown_s = options.shutdown_timeout_s ?? 5;
    process.on("beforeExit", this._exit);
    if (options.drain_on_sigterm != false && !process.listenerCount("SIGTERM")) process.once("SIGTERM", this._sigterm);
  }

  /** The scope that is bound here, if it is one of this client's. */
  _bound(): Scope | undefined {
    let bound = binding.getStore();
    while (bound && !bound.scope._of(this._core)) bound = bound.outer;
    return bound?.scope;
  }

  override get identifiers(): Record<string, string> {
    const bound = this._bound();
    return bound ? bound.identifiers : super.identifiers;
  }

  override get session_id(): string | undefined {
    const bound = this._bound();
    return bound ? bound.session_id : super.session_id;
  }

  /** Speaks for one person on one device. A wrong value is counted and left out. */
  scope(options: ScopeOptions = {}): Scope {
    return scoped(this._core, options, Scope);
  }

  override close(timeout_s = this._shutdown_s): Promise<boolean> {
    process.off("beforeExit", this._exit);
    process.off("SIGTERM", this._sigterm);
    return super.close(timeout_s);
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

type Name = "track" | "page" | "screen" | "identify" | "link" | "unlink" | "logout" | "consent";

/** The calls of the process's own client. */
const calls = {} as Pick<Client, Name>;
for (const name of ["track", "page", "screen", "identify", "link", "unlink", "logout", "consent"] as Name[]) {
  const own = Base.prototype[name] as (...given: any[]) => boolean;
  Client.prototype[name] = function (this: Client, ...given: any[]): boolean {
    return own.apply(this._bound() || this, given);
  };
  calls[name] = (...given: any[]): boolean => {
    if (current) return (current[name] as (...given: any[]) => boolean)(...given);
    console.warn("stitchline: nothing is sent before init(endpoint, write_key)");
    return false;
  };
}
export const { track, page, screen, identify, link, unlink, logout, consent } = calls;

/** Waits until everything queued so far is delivered; true also before `init`. */
export const flush = async (timeout_s?: number): Promise<boolean> => !current || current.flush(timeout_s);
/** Delivers what is queued, then ends; true also before `init`. */
export const close = async (timeout_s?: number): Promise<boolean> => {
  const before = current;
  current = undefined;
  return !before || before.close(timeout_s);
};
