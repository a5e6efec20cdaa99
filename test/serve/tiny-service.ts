import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { InjectOptions } from 'fastify';
import { parseConfig } from '../../lib/config.js';
import { buildApp, type App, type AppOptions } from '../../serve/app.js';
import { ServiceConfig } from '../../serve/config.js';
import { saveTinyCaptioner } from '../fixtures/tiny-captioner.js';

/** A service with a tiny captioner, for tests. */
export interface TinyService extends App {
  /** Folder of the checkpoint that it serves. */
  readonly checkpoint: string;
  /** Its log, line by line. */
  readonly log: Record<string, unknown>[];
  /** Puts another captioner, or a damaged one, in the folder. */
  retrain(seed: number): Promise<void>;
  /** Waits until it captions. */
  ready(): Promise<void>;
  close(): Promise<void>;
}

export async function tinyService(
  config: Partial<ServiceConfig> = {},
  options: Partial<AppOptions> = {},
): Promise<TinyService> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
  const checkpoint = path.join(folder, 'tiny');
  await saveTinyCaptioner(checkpoint);
  const log: Record<string, unknown>[] = [];
  const app = await buildApp({
    // In fp32: a captioner of random weights finds many captions nearly as good, and rounding decides between them.
    config: parseConfig(ServiceConfig, {
      ...{ workers: 1, rateLimit: 0, logLevel: 'info', precision: 'fp32' },
      ...config,
    }),
    checkpoint,
    logTo: { write: (line) => log.push(JSON.parse(line) as Record<string, unknown>) },
    ...options,
  });
  return {
    ...app,
    checkpoint,
    log,
    retrain: (seed) => saveTinyCaptioner(checkpoint, seed),
    ready: async () => {
      while (!app.pool.status.ready) await new Promise((resolve) => setTimeout(resolve, 5));
    },
    close: async () => {
      await app.server.close();
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** One part of a form. */
export interface FormPart {
  readonly name: string;
  readonly value: string | Uint8Array;
  /** Makes it a file. */
  readonly filename?: string;
}

/** A form as browsers send it. */
export function form(parts: readonly FormPart[]): Pick<InjectOptions, 'headers' | 'payload'> {
  const boundary = '----a-boundary';
  const payload = Buffer.concat([
    ...parts.flatMap(({ name, value, filename }) => [
      Buffer.from(
        `--${boundary}\r\nContent-Disposition: form-data; name="${name}"${filename ? `; filename="${filename}"` : ''}\r\n` +
          `${filename ? 'Content-Type: application/octet-stream\r\n' : ''}\r\n`,
      ),
      Buffer.from(value),
      Buffer.from('\r\n'),
    ]),
    Buffer.from(`--${boundary}--\r\n`),
  ]);
  return { headers: { 'content-type': `multipart/form-data; boundary=${boundary}` }, payload };
}
