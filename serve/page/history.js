/** What was captioned before, kept in this browser alone. Where it can't be kept (private windows), nothing is remembered. */

const most = 48;

function open() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open('captioner', 1);
    request.onupgradeneeded = () => request.result.createObjectStore('photos', { keyPath: 'id', autoIncrement: true });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function store(mode, action) {
  try {
    const database = await open();
    const transaction = database.transaction('photos', mode);
    const result = action(transaction.objectStore('photos'));
    return await new Promise((resolve, reject) => {
      transaction.oncomplete = () => resolve(result?.result);
      transaction.onerror = transaction.onabort = () => reject(transaction.error);
    }).finally(() => database.close());
  } catch {
    return undefined;
  }
}

/** @param {{name: string, thumbnail: Blob, captions: object[]}} photo */
export async function remember(photo) {
  await store('readwrite', (photos) => photos.add({ ...photo, when: Date.now() }));
  const keys = (await store('readonly', (photos) => photos.getAllKeys())) ?? [];
  await store('readwrite', (photos) => {
    for (const key of keys.slice(0, Math.max(0, keys.length - most))) photos.delete(key);
  });
}

/** The last first. */
export async function remembered() {
  return ((await store('readonly', (photos) => photos.getAll())) ?? []).reverse();
}

export function forgetAll() {
  return store('readwrite', (photos) => photos.clear());
}
