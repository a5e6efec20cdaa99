import { createReadStream, statSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
  '.svg': 'image/svg+xml',
  '.jpg': 'image/jpeg',
  '.png': 'image/png',
};

/** A server of files that knows nothing of captioner, as GitHub Pages or `python3 -m http.server` are. */
export interface StaticServer {
  /** Address of the folders together, with a slash at its end. */
  readonly url: string;
  /** Paths and bytes of the answers so far. */
  readonly answered: { readonly path: string; readonly bytes: number }[];
  close(): Promise<void>;
}

/**
 * Serves folders under a sub-path.
 * @param folders by their names in the sub-path; '' is the sub-path itself.
 * @param headers of each answer.
 */
export async function serveFiles(
  folders: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>> = {},
): Promise<StaticServer> {
  const base = '/some/project/';
  const answered: { path: string; bytes: number }[] = [];
  const server: Server = createServer((request, reply) => {
    const asked = decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname);
    const inside = asked.startsWith(base) ? asked.slice(base.length) : undefined;
    const file = inside === undefined ? undefined : fileOf(folders, inside);
    if (file === undefined) {
      reply.writeHead(404).end();
      return;
    }
    const { size } = statSync(file);
    answered.push({ path: inside!, bytes: size });
    const type = types[path.extname(file)] ?? 'application/octet-stream';
    reply.writeHead(200, { 'content-type': type, 'content-length': size, ...headers });
    createReadStream(file).pipe(reply);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${base}`,
    answered,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => {
          resolve();
        });
      }),
  };
}

function fileOf(folders: Readonly<Record<string, string>>, inside: string): string | undefined {
  for (const [name, folder] of Object.entries(folders)) {
    const prefix = name === '' ? '' : `${name}/`;
    if (!inside.startsWith(prefix)) continue;
    const file = path.join(folder, inside.slice(prefix.length));
    for (const candidate of [file, path.join(file, 'index.html')]) {
      if (statSync(candidate, { throwIfNoEntry: false })?.isFile()) return candidate;
    }
  }
  return undefined;
}
