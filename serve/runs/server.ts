import { existsSync } from 'node:fs';
import path from 'node:path';
import compress from '@fastify/compress';
import helmet from '@fastify/helmet';
import fastifyStatic from '@fastify/static';
import Fastify, { type FastifyInstance } from 'fastify';
import { projectFolder, readRuns } from '../../lib/index.js';
import { reportStyle } from '../../lib/viz.js';
import { isLocal } from '../addresses.js';
import { protection } from '../protection.js';
import type { RunsView } from './answers.js';
import { viewOf } from './view.js';

export interface RunsServerOptions {
  /** Folder that is searched for runs. */
  readonly folder: string;
  /** Folder that photo ids are relative to, to show the dev photos. */
  readonly photos?: string;
}

/** A page about the training runs under a folder, which does not listen yet. Nothing is changed by it. */
export async function buildRunsServer({ folder, photos }: RunsServerOptions): Promise<FastifyInstance> {
  const app = Fastify({ logger: false, forceCloseConnections: true });
  await app.register(helmet, protection);
  await app.register(compress, { encodings: ['gzip', 'deflate'], threshold: 2048 });
  refuseForeignNames(app);
  const root = photos === undefined ? undefined : path.resolve(photos);
  const fileOf = (id: string): string | undefined => {
    if (root === undefined) return undefined;
    const file = path.resolve(root, id);
    return file.startsWith(root + path.sep) && existsSync(file) ? file : undefined;
  };
  let known = new Set<string>();
  app.get('/view.json', (request): RunsView => {
    const { run = [] } = request.query as { run?: string | string[] };
    const view = viewOf(folder, readRuns(folder), [run].flat(), (id) => fileOf(id) !== undefined);
    known = new Set([...known, ...view.photos.map(({ id }) => id)]);
    return view;
  });
  app.get('/photo', (request, reply) => {
    const { id = '' } = request.query as { id?: string };
    const file = known.has(id) ? fileOf(id) : undefined;
    return file === undefined || root === undefined
      ? reply.code(404).send({ error: 'There is no such photo.' })
      : reply.sendFile(path.relative(root, file), root);
  });
  app.get('/report.css', (_request, reply) => reply.type('text/css; charset=utf-8').send(reportStyle));
  await app.register(fastifyStatic, { root: path.join(projectFolder, 'serve', 'runs', 'static'), cacheControl: false });
  await app.register(fastifyStatic, {
    root: path.join(projectFolder, 'dist', 'serve'),
    prefix: '/scripts/',
    decorateReply: false,
    cacheControl: false,
    allowedPath: (name) => /^\/(page|runs\/page)\/[\w-]+\.js$/.test(name),
  });
  return app;
}

/**
 * On a loopback address, only requests that name one are answered: otherwise a page of another site, whose name resolves to this
 * machine, could read the runs.
 */
function refuseForeignNames(app: FastifyInstance): void {
  app.addHook('onRequest', async (request, reply) => {
    if (isLocal(request.socket.localAddress ?? '') && !isLocal(request.hostname.replace(/^\[|\]$/g, '')))
      await reply
        .code(403)
        .send({ error: `This page is for this machine. Open http://127.0.0.1 instead of ${request.hostname}.` });
  });
}
