import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { InferenceClient } from '@huggingface/inference';
import { expect } from 'chai';
import openapiTypescript, { astToString } from 'openapi-typescript';
import { Captioner } from '../../lib/index.js';
import { colouredPhoto } from '../fixtures/tiny-captioner.js';
import { form, tinyService, type TinyService } from './tiny-service.js';

describe('other programs', function () {
  this.timeout(180_000).slow(20_000);
  let service: TinyService;
  let url: string;
  let port: number;
  let photo: Buffer;

  before(async () => {
    photo = await colouredPhoto([200, 40, 40]);
    service = await tinyService({ cors: ['https://example.org'] });
    await service.server.listen({ host: '127.0.0.1', port: 0 });
    ({ port } = service.server.server.address() as net.AddressInfo);
    url = `http://127.0.0.1:${port}`;
    await service.ready();
  });
  after(() => service.close());

  const captionOf = async (search = {}) => {
    const captioner = await Captioner.load(service.checkpoint);
    const [{ captions }] = await captioner.caption([{ file: 'photo', bytes: photo }], search);
    await captioner.release();
    return captions!.map(({ caption }) => caption);
  };

  describe('for image-to-text', () => {
    const endpointUrl = () => `${url}/huggingface/image-to-text`;
    const post = (body: object) =>
      fetch(endpointUrl(), {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json' },
      });

    it('get a caption through Hugging Face’s client', async () => {
      const client = new InferenceClient();
      const data = new Blob([new Uint8Array(photo)], { type: 'image/jpeg' });
      const { generated_text: found } = await client.imageToText({ endpointUrl: endpointUrl(), data });
      expect([found]).to.deep.equal(await captionOf());
    });

    it('get captions for JSON, by the names of its parameters', async () => {
      const inputs = photo.toString('base64');
      const plain = await (await post({ inputs })).json();
      expect(plain).to.deep.equal((await captionOf()).map((caption) => ({ generated_text: caption })));
      const parameters = { num_beams: 4, num_return_sequences: 2, generate_kwargs: { max_new_tokens: 8 } };
      const several = await (await post({ inputs, parameters })).json();
      const expected = await captionOf({ beam: 4, n: 2, maxLength: 8 });
      expect(several).to.deep.equal(expected.map((caption) => ({ generated_text: caption })));
      const sampled = await post({ inputs, parameters: { do_sample: true, top_k: 3, temperature: 0.7 } });
      expect(sampled.status).to.equal(200);
    });

    it('get an explanation of the error', async () => {
      for (const body of [{}, { inputs: 5 }, { inputs: 'AAAA', parameters: { prompt: 'x' } }, { inputs: '%' }]) {
        const reply = await post(body);
        expect(reply.status).to.equal(400);
        expect(((await reply.json()) as { error: { message: string } }).error.message).to.match(/\S.*\.$/);
      }
    });
  });

  it('compile against a client that is generated from the description', async () => {
    const document = (await service.server.inject('/openapi.json')).payload;
    const folder = fs.mkdtempSync(path.resolve('test/serve/generated-'));
    try {
      fs.writeFileSync(path.join(folder, 'schema.d.ts'), astToString(await openapiTypescript(document)));
      fs.writeFileSync(
        path.join(folder, 'client.ts'),
        `import createClient from 'openapi-fetch';
         import type { components, operations, paths } from './schema.js';
         const client = createClient<paths>({ baseUrl: 'http://127.0.0.1:8080' });
         const { data, error } = await client.POST('/caption', {
           params: { query: { beam: 5, n: 2, require: ['dog'], method: 'beam' } },
           body: { image: 'AAAA' },
         });
         if (error) console.log(error);
         else if (typeof data === 'object' && 'captions' in data) {
           const [{ caption, p, tokens }] = data.captions;
           const words: string[] = tokens.map(({ word }) => word);
           console.log(caption.length, p.toFixed(2), words);
         }
         const ready = await client.GET('/readyz');
         const beam: number | undefined = ready.data?.limits.maxBeam;
         const caption: components['schemas']['Caption'] = { caption: 'a', p: 1, logProbability: 0, tokens: [] };
         type Explained = operations['explainPhoto'];
         // @ts-expect-error an option that there is not
         await client.POST('/caption', { params: { query: { beem: 5 } }, body: { image: 'AAAA' } });
         // @ts-expect-error a caption has a probability
         const lacking: components['schemas']['Caption'] = { caption: 'a', logProbability: 0, tokens: [] };
         console.log(beam, caption, lacking, undefined as unknown as Explained);
         `,
      );
      const options = [
        '--noEmit',
        '--strict',
        '--skipLibCheck',
        '--target',
        'es2022',
        '--module',
        'nodenext',
        '--types',
        'node',
      ];
      const tsc = 'node_modules/typescript/bin/tsc';
      const run = () =>
        execFileSync(process.execPath, [tsc, ...options, path.join(folder, 'client.ts')], { stdio: 'pipe' });
      try {
        run();
      } catch (error) {
        expect.fail(String((error as { stdout: Buffer }).stdout));
      }
    } finally {
      fs.rmSync(folder, { recursive: true });
    }
  });

  it('find each operation by a name, with required fields and no schema twice', async () => {
    const { paths, components } = (await service.server.inject('/openapi.json')).json<{
      paths: Record<string, Record<string, { operationId: string }>>;
      components: { schemas: Record<string, { required?: string[] }> };
    }>();
    const names = Object.values(paths).flatMap((methods) =>
      Object.values(methods).map(({ operationId }) => operationId),
    );
    expect(names).to.include.members([
      'captionPhotos',
      'explainPhoto',
      'imageToText',
      'getReadiness',
      'reloadCheckpoint',
    ]);
    expect(new Set(names).size).to.equal(names.length);
    expect(components.schemas.Caption.required).to.have.members(['caption', 'p', 'logProbability', 'tokens']);
    expect(Object.keys(components.schemas).filter((name) => name.endsWith('Input'))).to.deep.equal([]);
  });

  it('are called from pages of the origins that may, and of no others', async () => {
    const from = async (origin: string, method: 'POST' | 'OPTIONS') => {
      const headers = { origin, ...(method === 'OPTIONS' && { 'access-control-request-method': 'POST' }) };
      const reply = await service.server.inject({ method, url: '/caption', headers, payload: photo });
      return [reply.statusCode, reply.headers['access-control-allow-origin']];
    };
    expect(await from('https://example.org', 'OPTIONS')).to.deep.equal([204, 'https://example.org']);
    expect(await from('https://example.org', 'POST')).to.deep.equal([200, 'https://example.org']);
    expect((await from('https://example.com', 'POST'))[1]).to.equal(undefined);
    const plain = await tinyService();
    const reply = await plain.server.inject({ url: '/healthz', headers: { origin: 'https://example.org' } });
    expect(reply.headers).not.to.have.property('access-control-allow-origin');
    await plain.close();
  });

  it('follow a request by its id and its trace', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const headers = { 'x-request-id': 'my-request.7', traceparent };
    const reply = await service.server.inject({ method: 'POST', url: '/caption', headers, payload: photo });
    expect(reply.headers).to.include(headers);
    const line = service.log.find(({ reqId, traceId }) => reqId === 'my-request.7' && traceId);
    expect(line).to.have.property('traceId', '0af7651916cd43dd8448eb211c80319c');
    for (const id of ['a b', 'x'.repeat(200), '"><']) {
      const other = await service.server.inject({ url: '/healthz', headers: { 'x-request-id': id } });
      expect(other.headers['x-request-id']).to.match(/^[\da-f-]{36}$/);
    }
  });

  it('receive large answers compressed, if they like', async () => {
    const ask = (encoding?: string) =>
      service.server.inject({
        method: 'POST',
        url: '/explain?n=3',
        payload: photo,
        headers: { ...(encoding && { 'accept-encoding': encoding }) },
      });
    const [plain, packed] = [await ask(), await ask('gzip')];
    expect(packed.headers['content-encoding']).to.equal('gzip');
    expect(packed.rawPayload.length).to.be.below(plain.rawPayload.length / 2);
    const streamed = await service.server.inject({
      method: 'POST',
      url: '/caption?n=3',
      ...form(Array.from({ length: 20 }, (_, i) => ({ name: 'p', filename: `${i}.jpg`, value: photo }))),
      headers: { ...form([]).headers, accept: 'text/event-stream', 'accept-encoding': 'gzip' },
    });
    expect(streamed.headers).not.to.have.property('content-encoding');
  });

  describe('that do something wrong', () => {
    const shape = (payload: string) => Object.keys((JSON.parse(payload) as { error: object }).error);
    const wrong: [string, object, number][] = [
      [
        'a compressed body',
        { method: 'POST', url: '/caption', headers: { 'content-encoding': 'gzip' }, payload: 'x' },
        415,
      ],
      ['a route that there is not', { url: '/nowhere' }, 404],
      ['a path that can not be decoded', { url: '/samples/%ff%' }, 400],
      ['a wrong method', { method: 'DELETE', url: '/caption' }, 405],
      ['a wrong field', { method: 'POST', url: '/caption?beam=x', payload: 'x' }, 400],
    ];
    for (const [what, request, status] of wrong) {
      it(`get an error of the one shape: ${what}`, async () => {
        const reply = await service.server.inject(request);
        expect(reply.statusCode).to.equal(status);
        expect(shape(reply.payload)).to.have.members(['code', 'message']);
      });
    }

    it('get one for invalid HTTP, too', async () => {
      const socket = net.connect(port, '127.0.0.1');
      await once(socket, 'connect');
      const heard = text(socket);
      socket.write('hello\r\n\r\n');
      const [head, body] = (await heard).split('\r\n\r\n');
      expect(head).to.match(/^HTTP\/1\.1 400 Bad Request/);
      expect(shape(body)).to.deep.equal(['code', 'message']);
    });
  });
});
