/** Captioned photos, kept in this browser alone. Where the browser keeps nothing (private windows), nothing is remembered. */

import type { AnsweredCaption } from '../answers.js';
import type { SearchFields } from './options.js';

export interface RememberedPhoto {
  readonly name: string;
  readonly thumbnail: Blob;
  readonly captions: readonly AnsweredCaption[];
  readonly options: SearchFields;
  readonly id?: IDBValidKey;
}

/** Number of photos that are kept. */
const most = 48;

function open(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open('captioner', 1);
    request.onupgradeneeded = () => request.result.createObjectStore('photos', { keyPath: 'id', autoIncrement: true });
    request.onsuccess = () => {
      resolve(request.result);
    };
    request.onerror = () => {
      reject(request.error ?? new Error('The history cannot be opened.'));
    };
  });
}

async function store<Result>(
  mode: IDBTransactionMode,
  action: (photos: IDBObjectStore) => IDBRequest<Result> | undefined,
): Promise<Result | undefined> {
  try {
    const database = await open();
    const transaction = database.transaction('photos', mode);
    const request = action(transaction.objectStore('photos'));
    const finished = new Promise<Result | undefined>((resolve, reject) => {
      transaction.oncomplete = () => {
        resolve(request?.result);
      };
      transaction.onerror = transaction.onabort = () => {
        reject(transaction.error ?? new Error('The history cannot be written.'));
      };
    });
    return await finished.finally(() => {
      database.close();
    });
  } catch {
    return undefined;
  }
}

/**
 * Remembers a photo and its captions.
 * @param id of the same photo with former captions, which are replaced
 * @returns its id, if the browser keeps it
 */
export async function remember(photo: RememberedPhoto, id?: IDBValidKey): Promise<IDBValidKey | undefined> {
  const entry = { ...photo, when: Date.now(), ...(id !== undefined && { id }) };
  const kept = await store('readwrite', (photos) => photos.put(entry));
  const keys = (await store('readonly', (photos) => photos.getAllKeys())) ?? [];
  await store('readwrite', (photos) => {
    for (const key of keys.slice(0, Math.max(0, keys.length - most))) photos.delete(key);
    return undefined;
  });
  return kept;
}

/** The remembered photos, the last first. */
export async function remembered(): Promise<RememberedPhoto[]> {
  const photos = await store('readonly', (all) => all.getAll() as IDBRequest<RememberedPhoto[]>);
  return (photos ?? []).reverse();
}

export async function clearHistory(): Promise<void> {
  await store('readwrite', (photos) => photos.clear());
}
