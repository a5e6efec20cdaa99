/** Keeps the demo and its model in the browser, so that it works without a connection after the first visit. */

/** Checksums of the files to keep, by their paths relative to this script. The build puts them in. */
declare const kept: Readonly<Record<string, string>>;

/** Files that are kept when the page first asks for them, so that they are downloaded once: the model and WebAssembly. */
const large = /^(?:model\/|browser\/(?:captioner-worker|onnxruntime-web\/))/;

/** The part of a service worker's global scope that is used. */
interface ServiceWorkerScope {
  readonly location: Location;
  readonly clients: { claim(): Promise<void> };
  skipWaiting(): Promise<void>;
  addEventListener(type: string, listener: (event: WorkerEvent) => void): void;
}

interface WorkerEvent {
  readonly request: Request;
  waitUntil(work: Promise<unknown>): void;
  respondWith(reply: Promise<Response>): void;
}

const scope = globalThis as unknown as ServiceWorkerScope;
const root = new URL('.', scope.location.href).href;
const cacheName = 'captioner-site';

/** The address under which a kept file is in the cache. A changed file has another one; a file that stays the same is not downloaded again. */
const keyOf = (file: string): string => `${root}${file}?checksum=${kept[file]}`;

scope.addEventListener('install', (event) => {
  event.waitUntil(install());
});
scope.addEventListener('activate', (event) => {
  event.waitUntil(activate());
});
scope.addEventListener('fetch', (event) => {
  const { method, url } = event.request;
  if (method === 'GET' && url.startsWith(root)) event.respondWith(answer(event.request));
});

async function install(): Promise<void> {
  await Promise.all(Object.keys(kept).map(async (file) => (large.test(file) ? undefined : keptFile(file))));
  await scope.skipWaiting();
}

/** Removes what earlier versions kept. */
async function activate(): Promise<void> {
  const cache = await caches.open(cacheName);
  const keys = new Set(Object.keys(kept).map(keyOf));
  const former = (await cache.keys()).filter(({ url }) => url.includes('?checksum=') && !keys.has(url));
  await Promise.all(former.map((request) => cache.delete(request)));
  await scope.clients.claim();
}

/** A kept file; any other page from the server, or, without a connection, as it was at the last visit. */
async function answer(request: Request): Promise<Response> {
  const path = new URL(request.url).pathname.slice(new URL(root).pathname.length);
  const file = path === '' ? 'index.html' : path;
  if (Object.hasOwn(kept, file)) return isolated(await keptFile(file));
  const cache = await caches.open(cacheName);
  try {
    const reply = await fetch(request);
    if (reply.ok) await cache.put(request.url, reply.clone());
    return isolated(reply);
  } catch (error) {
    const found = await cache.match(request.url);
    if (found) return isolated(found);
    throw error;
  }
}

/** A kept file from the cache, or else from the server, which then is kept. */
async function keptFile(file: string): Promise<Response> {
  const cache = await caches.open(cacheName);
  const found = await cache.match(keyOf(file));
  if (found) return found;
  // The browser's own cache may still hold the file of an earlier version: it has to ask the server.
  const reply = await fetch(root + file, { cache: 'no-cache' });
  if (reply.ok) await cache.put(keyOf(file), reply.clone());
  return reply;
}

/** The reply with the headers that isolate a page, which gives WebAssembly its threads. Plain file servers do not send them. */
function isolated(reply: Response): Response {
  const headers = new Headers(reply.headers);
  headers.set('cross-origin-opener-policy', 'same-origin');
  headers.set('cross-origin-embedder-policy', 'require-corp');
  return new Response(reply.body, { status: reply.status, statusText: reply.statusText, headers });
}
