/** What was captioned before, kept in this browser alone. Where it can't be kept (private windows), nothing is remembered. */

/**
 * @import { AnsweredCaption } from '../answers.js'
 * @import { SearchFields } from './options.js'
 */

/**
 * @typedef {object} RememberedPhoto
 * @property {string} name
 * @property {Blob} thumbnail
 * @property {readonly AnsweredCaption[]} captions
 * @property {SearchFields} options
 */

const most = 48;

/** @returns {Promise<IDBDatabase>} */
function open() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open('captioner', 1);
    request.onupgradeneeded = () => request.result.createObjectStore('photos', { keyPath: 'id', autoIncrement: true });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/**
 * @template Result
 * @param {IDBTransactionMode} mode
 * @param {(photos: IDBObjectStore) => IDBRequest<Result> | undefined} action
 * @returns {Promise<Result | undefined>}
 */
async function store(mode, action) {
  try {
    const database = await open();
    const transaction = database.transaction('photos', mode);
    const request = action(transaction.objectStore('photos'));
    /** @type {Promise<Result | undefined>} */
    const finished = new Promise((resolve, reject) => {
      transaction.oncomplete = () => resolve(request?.result);
      transaction.onerror = transaction.onabort = () => reject(transaction.error);
    });
    return await finished.finally(() => database.close());
  } catch {
    return undefined;
  }
}

/** @param {RememberedPhoto} photo */
export async function remember(photo) {
  await store('readwrite', (photos) => photos.add({ ...photo, when: Date.now() }));
  const keys = (await store('readonly', (photos) => photos.getAllKeys())) ?? [];
  await store('readwrite', (photos) => {
    for (const key of keys.slice(0, Math.max(0, keys.length - most))) photos.delete(key);
    return undefined;
  });
}

/**
 * The last first.
 * @returns {Promise<RememberedPhoto[]>}
 */
export async function remembered() {
  return ((await store('readonly', (photos) => photos.getAll())) ?? []).reverse();
}

export async function forgetAll() {
  await store('readwrite', (photos) => photos.clear());
}
