/**
 * The queue in IndexedDB: events of all tabs of a site, in the order they were said, until a collector has them.
 *
 * One object store. The key of an event is its `seq`, given in the transaction that saves it, so that no two tabs give a number
 * twice and none is lost; an event without a number has its id as key. The last record keeps the count. Nothing here
 * rejects: without a working IndexedDB, memory is all there is.
 */

import type { Disk, Entry } from "./sender";

const OPEN_WITHIN_MS = 2000; // WebKit's open has been seen to hang for ever
const STORE = "events";
/** Of the record with the last number and the bytes ever written: arrays sort behind numbers and texts. */
const COUNT: number[] = [];

/**
 * @param name of the database
 * @param max_bytes that may wait, of all tabs together
 * @param dropped called with each event that had to make room
 */
export const diskOf = (name: string, max_bytes: number, dropped: (entry: Entry) => void): Disk => {
  let opened: Promise<IDBDatabase> | undefined;
  let unsaved: Entry[] | undefined;

  const open = (): Promise<IDBDatabase> =>
    new Promise((resolve, reject) => {
      setTimeout(reject, OPEN_WITHIN_MS);
      const request = indexedDB.open(name); // throws in a sandboxed frame
      request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "n" });
      request.onerror = reject;
      request.onsuccess = () => {
        const db = request.result;
        db.onversionchange = () => {
          db.close(); // consent was taken back, or the visitor clears the site's data
          opened = undefined;
        };
        resolve(db);
      };
    });

  /** Runs work in a transaction; resolves when it is over, with undefined when it failed. */
  const run = async <T>(work: (store: IDBObjectStore) => T): Promise<T | undefined> => {
    try {
      const db = await (opened ||= open());
      return await new Promise<T>((resolve, reject) => {
        const transaction = db.transaction(STORE, "readwrite");
        const result = work(transaction.objectStore(STORE));
        transaction.oncomplete = () => resolve(result);
        transaction.onabort = reject;
      });
    } catch {
      return undefined; // no database, or the browser closed it
    }
  };

  return {
    async _save(entry) {
      if (unsaved) return void unsaved.push(entry); // one transaction for all that is said in one go
      const batch = (unsaved = [entry]);
      const saved = await run((store) => {
        unsaved = undefined;
        const oldest = store.openCursor();
        const count = store.get(COUNT);
        count.onsuccess = () => {
          let { last = 0, end = 0 } = count.result || {};
          for (const entry of batch) {
            entry.n ??= ++last; // what has left already keeps the bytes that it left with
            entry.start = end;
            end += entry.bytes;
            store.put(entry);
          }
          store.put({ n: COUNT, last, end });
          // The oldest make room: an outage of weeks must not fill a visitor's disk.
          const make_room = (): void => {
            const cursor = oldest.result;
            if (end - cursor?.value.start > max_bytes) {
              dropped(cursor!.value);
              cursor!.delete();
              oldest.onsuccess = make_room;
              cursor!.continue();
            } else store.transaction.commit(); // at once: a page that ends now must not take back numbers that leave with it
          };
          make_room();
        };
        return count;
      });
      unsaved = undefined;
      if (saved) for (const entry of batch) entry.saved = true;
    },
    async _take(most) {
      return (await run((store) => store.getAll(null, most)))?.result.filter(({ line }) => line);
    },
    _remove: (entries) => run((store) => entries.forEach(({ n }) => store.delete(n!))),
    _erase() {
      opened = undefined; // what is said next waits until the old one is gone
      indexedDB.deleteDatabase(name);
    },
  };
};
