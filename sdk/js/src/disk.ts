/**
 * The queue in IndexedDB: events of all tabs of a site, in the order of their ids, until a collector has them.
 *
 * Also gives out `seq`: in the transaction that saves an event, so that no two tabs give a number twice and none is lost. An
 * event that could not be saved goes without. Nothing here rejects: without a working IndexedDB, memory is all there is.
 */

import type { Disk, Entry, Mine } from "./sender";

const OPEN_WITHIN_MS = 2000; // WebKit's open has been seen to hang for ever
const BYTES = "";

type Work<T> = (events: IDBObjectStore, meta: IDBObjectStore, done: (result: T) => void) => void;

export class IndexedDisk implements Disk {
  private _unsaved: Mine[] = [];
  private _opened: Promise<IDBDatabase | undefined> | undefined;

  /**
   * @param dropped called with each event that had to make room
   */
  constructor(
    private _name: string,
    private _maxBytes: number,
    private _dropped: (entry: Entry) => void,
  ) {}

  save(entry: Mine): void {
    if (this._unsaved.push(entry) > 1) return; // one transaction for all that is said in one go
    let batch: Mine[];
    void this._do<true>("readwrite", (events, meta, done) => {
      batch = this._unsaved.splice(0);
      const numbers: Record<string, number> = {};
      for (const { own } of batch) if (own) meta.get(own).onsuccess = (found) => (numbers[own] = resultOf(found) || 0);
      meta.get(BYTES).onsuccess = (found) => {
        let bytes: number = resultOf(found) || 0;
        for (const entry of batch) {
          const { id, head, own, left } = entry;
          bytes += entry.bytes;
          // What has left already keeps the bytes that it left with.
          if (own && !left) {
            numbers[own]! += 1;
            entry.line = `${entry.line.slice(0, -1)},"seq":${numbers[own]}}`;
            meta.put(numbers[own], own);
          }
          events.put({ id, head, own, line: entry.line, bytes: entry.bytes });
        }
        meta.put(bytes, BYTES);
        if (bytes > this._maxBytes) drop(bytes);
        // Without it a page that ends now could take the transaction with it.
        else events.transaction.commit?.();
      };
      /** Drops the oldest: an outage of weeks must not fill a visitor's disk. */
      const drop = (bytes: number): void => {
        events.openCursor().onsuccess = (found) => {
          const cursor: IDBCursorWithValue | null = resultOf(found);
          if (!cursor || bytes <= this._maxBytes) return meta.put(bytes, BYTES);
          bytes -= cursor.value.bytes;
          this._dropped(cursor.value);
          cursor.delete();
          cursor.continue();
        };
      };
      done(true);
    }).then((done) => done && batch.forEach((entry) => (entry.saved = true)));
  }

  take(most: number): Promise<Entry[] | undefined> {
    return this._do<Entry[]>("readonly", (events, _, done) => {
      events.getAll(null, most).onsuccess = (found) => done(resultOf(found));
    });
  }

  async remove(entries: Entry[]): Promise<void> {
    await this._do("readwrite", (events, meta) => {
      meta.get(BYTES).onsuccess = (found) => {
        let bytes: number = resultOf(found) || 0;
        let left = entries.length;
        for (const entry of entries) {
          events.count(entry.id).onsuccess = (stored) => {
            if (resultOf(stored)) bytes -= entry.bytes;
            events.delete(entry.id);
            if (!--left) meta.put(bytes, BYTES);
          };
        }
      };
    });
  }

  erase(): void {
    void this._opened?.then((db) => db?.close());
    this._opened = undefined; // what is said next waits until the old one is gone
    try {
      indexedDB.deleteDatabase(this._name);
    } catch {
      // blocked: there is none
    }
  }

  /** Runs work in a transaction; resolves when it is over, with undefined when it failed. */
  private async _do<T>(mode: IDBTransactionMode, work: Work<T>): Promise<T | undefined> {
    this._opened ||= opened(this._name, () => (this._opened = undefined));
    const db = await this._opened;
    try {
      return await new Promise<T | undefined>((resolve) => {
        let result: T | undefined;
        const transaction = db!.transaction(["events", "meta"], mode);
        transaction.oncomplete = () => resolve(result);
        transaction.onabort = () => resolve(undefined);
        work(transaction.objectStore("events"), transaction.objectStore("meta"), (value) => (result = value));
      });
    } catch {
      return undefined; // no database, or the browser closed it
    }
  }
}

const resultOf = (event: Event): any => (event.target as IDBRequest).result;

/** Opens the database; undefined where the browser does not allow it or does not answer. */
function opened(name: string, closed: () => void): Promise<IDBDatabase | undefined> {
  return new Promise((resolve) => {
    setTimeout(resolve, OPEN_WITHIN_MS);
    try {
      const request = indexedDB.open(name, 1);
      request.onupgradeneeded = () => {
        request.result.createObjectStore("events", { keyPath: "id" });
        request.result.createObjectStore("meta");
      };
      request.onsuccess = () => {
        const db = request.result;
        db.onversionchange = () => {
          db.close(); // consent was taken back, or the visitor clears the site's data
          closed();
        };
        resolve(db);
      };
      request.onerror = () => resolve(undefined);
    } catch {
      resolve(undefined); // a sandboxed frame, or storage is blocked
    }
  });
}
