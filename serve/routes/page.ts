import { readdirSync } from 'node:fs';
import path from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';
import { projectFolder } from '../../lib/index.js';

/** The demo page, with scripts that the build compiles into `dist`, and its sample photos. */
export async function pageRoutes(app: FastifyInstance): Promise<void> {
  const samples = path.join(projectFolder, 'data', 'samples');
  const hidden = { schema: { hide: true }, logLevel: 'warn' as const };
  await app.register(fastifyStatic, {
    root: [path.join(projectFolder, 'serve', 'page', 'static'), path.join(projectFolder, 'dist', 'serve', 'page')],
    cacheControl: false,
    schemaHide: true,
    logLevel: 'warn',
  });
  app.get('/samples', hidden, () => photosIn(samples));
  for (const name of photosIn(samples)) {
    app.get(`/samples/${name}`, hidden, (_request, reply) => reply.sendFile(name, samples));
  }
}

function photosIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => /^[\w-]+\.jpg$/.test(name));
  } catch {
    return [];
  }
}
