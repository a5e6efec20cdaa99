import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { expect } from 'chai';
import { parseConfig } from '../../lib/index.js';
import { ServiceConfig } from '../../serve/config.js';
import { startService, type RunningService } from '../../serve/main.js';
import { colouredPhoto, saveTinyCaptioner } from '../fixtures/tiny-captioner.js';

describe('a service that stops and reloads', function () {
  this.timeout(600_000).slow(10_000);
  let folder: string;
  let checkpoint: string;
  let photo: Buffer;
  let service: RunningService;
  const log: { msg: string; model?: { fingerprint: string } }[] = [];

  before(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    checkpoint = path.join(folder, 'tiny');
    await saveTinyCaptioner(checkpoint);
    photo = await colouredPhoto([200, 40, 40]);
  });
  beforeEach(async () => {
    log.length = 0;
    service = await startService({
      config: parseConfig(ServiceConfig, { port: 0, workers: 1, rateLimit: 0, drain: 0 }),
      checkpoint,
      logTo: { write: (line) => log.push(JSON.parse(line) as (typeof log)[number]) },
    });
    while (!service.pool.status.ready) await new Promise((resolve) => setTimeout(resolve, 5));
  });
  afterEach(() => service.stop());
  after(() => {
    fs.rmSync(folder, { recursive: true });
  });

  /** A request over a connection that an agent keeps. */
  const send = (agent: http.Agent, url: string, body?: Buffer) =>
    new Promise<{ status?: number; connection?: string; body: string }>((resolve, reject) => {
      const request = http.request(`${service.address}${url}`, { agent, method: body ? 'POST' : 'GET' }, (response) => {
        buffer(response).then((bytes) => {
          const { statusCode: status, headers } = response;
          resolve({ status, connection: headers.connection, body: bytes.toString() });
        }, reject);
      });
      request.on('error', reject);
      request.end(body);
    });

  it('fails /readyz first, while it captions, and ends each connection with its answer', async () => {
    const agent = new http.Agent({ keepAlive: true });
    expect((await send(agent, '/readyz')).status).to.equal(200);
    service.drain();
    const ready = await send(agent, '/readyz');
    expect([ready.status, ready.connection]).to.deep.equal([503, 'close']);
    expect(ready.body).to.include('"code":"stopping"');
    const captioned = await send(agent, '/caption', photo);
    expect([captioned.status, captioned.connection]).to.deep.equal([200, 'close']);
  });

  it('resets no connection of clients that keep theirs as long as they may', async () => {
    let answered = 0;
    let wrong = 0;
    const client = async () => {
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
      for (let open = true; open;) {
        const { status, connection } = await send(agent, '/caption', photo);
        answered++;
        if (status !== 200) wrong++;
        open = connection !== 'close';
      }
    };
    const clients = Array.from({ length: 8 }, client);
    while (answered < 40) await new Promise((resolve) => setTimeout(resolve, 5));
    service.drain();
    await Promise.all(clients); // none of them fails
    await service.stop();
    expect(wrong).to.equal(0);
    const refused: unknown = await send(new http.Agent(), '/healthz').catch((error: unknown) => error);
    expect(refused).to.have.property('code', 'ECONNREFUSED');
  });

  it('reloads exactly once more after signals during a reload', async () => {
    const first = service.reload();
    await saveTinyCaptioner(checkpoint, 8);
    await Promise.all([first, service.reload(), service.reload(), service.reload()]);
    const reloads = log.filter(({ msg }) => msg === 'checkpoint reloaded');
    expect(reloads).to.have.length(2);
    await service.reload();
    // The last of them had read the new files.
    expect(log.filter(({ msg }) => msg === 'checkpoint reloaded')[2].model!.fingerprint).to.equal(
      reloads[1].model!.fingerprint,
    );
    await saveTinyCaptioner(checkpoint);
  });
});
