import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import sharp from 'sharp';
import { resolveSearch } from '../../lib/index.js';
import { keysFromEnvironment } from '../../serve/config.js';
import { colouredPhoto } from '../fixtures/tiny-captioner.js';
import { form, tinyService, type TinyService } from './tiny-service.js';

interface Failure {
  readonly error: { code: string; message: string };
}

describe('the service', function () {
  this.timeout(600_000).slow(10_000);
  let service: TinyService;
  let photo: Buffer;
  const started: TinyService[] = [];

  const start = async (...options: Parameters<typeof tinyService>): Promise<TinyService> => {
    const some = await tinyService(...options);
    started.push(some);
    return some;
  };
  const caption = (some: TinyService, headers: Record<string, string> = {}, payload: Buffer = photo) =>
    some.server.inject({
      method: 'POST',
      url: '/caption',
      payload,
      headers: { 'content-type': 'image/jpeg', ...headers },
    });
  const listen = async (some: TinyService) => {
    await some.server.listen({ host: '127.0.0.1', port: 0 });
    const { port } = some.server.server.address() as net.AddressInfo;
    return { port, url: `http://127.0.0.1:${port}` };
  };

  before(async () => {
    photo = await colouredPhoto([200, 40, 40]);
    service = await start();
    await service.ready();
  });
  after(async () => {
    await Promise.all(started.map((some) => some.close()));
  });

  describe('what it tells', () => {
    it('is alive, and ready when it has a captioner', async () => {
      expect((await service.server.inject('/healthz')).json()).to.deep.equal({ status: 'ok' });
      const { statusCode, payload } = await service.server.inject('/readyz');
      expect(statusCode).to.equal(200);
      const { status, model, limits } = JSON.parse(payload) as {
        status: string;
        model: Record<string, unknown>;
        limits: object;
      };
      expect(status).to.equal('ready');
      expect(model).to.include({ encoder: 'tiny', words: 22 });
      expect(model).not.to.have.property('checkpoint');
      expect(limits).to.include({ maxFiles: 32, maxBeam: 10 });
    });

    it('starts without a captioner, and says what is missing', async () => {
      const lacking = await start({}, { encoder: '/nowhere/encoder.onnx' });
      expect((await lacking.server.inject('/readyz')).statusCode).to.equal(503);
      const told = () =>
        lacking.pool.status.problem!.includes('missing') && JSON.stringify(lacking.log).includes('nowhere');
      while (!told()) await new Promise((resolve) => setTimeout(resolve, 5));
      for (const reply of [await lacking.server.inject('/readyz'), await caption(lacking)]) {
        expect(reply.statusCode).to.equal(503);
        expect(reply.headers).to.have.property('retry-after');
        expect((JSON.parse(reply.payload) as Failure).error.message).to.equal(
          'A file of the checkpoint or its encoder is missing. The log of the service has the details.',
        );
      }
      // The details, with paths, are for its owner.
      expect(JSON.stringify(lacking.log)).to.include('There is no file /nowhere/encoder.onnx.');
      expect((await lacking.server.inject('/healthz')).statusCode).to.equal(200);
    });

    it('counts for Prometheus', async () => {
      await caption(service);
      await caption(service, {}, Buffer.from('no photo'));
      const { payload, headers } = await service.server.inject('/metrics');
      expect(headers['content-type']).to.match(/^text\/plain/);
      for (const line of [
        /^captioner_photos_total\{outcome="captioned"\} \d+$/m,
        /^captioner_photos_total\{outcome="bad-image"\} \d+$/m,
        /^captioner_http_request_seconds_count\{method="POST",route="\/caption",status="200"\} \d+$/m,
        /^captioner_stage_seconds_count\{stage="encode"\} \d+$/m,
        /^captioner_photos_waiting 0$/m,
        /^captioner_upload_bytes 0$/m,
        /^captioner_workers 1$/m,
        /^captioner_workers_resident_memory_bytes \d{8,}$/m,
        /^process_cpu_seconds_total /m,
      ]) {
        expect(payload).to.match(line);
      }
    });

    it('describes itself, with the options of the one config', async () => {
      const document = (await service.server.inject('/openapi.json')).json<{
        paths: Record<string, { post?: { parameters: { name: string; schema: object }[] } }>;
      }>();
      expect(Object.keys(document.paths)).to.include.members([
        '/caption',
        '/explain',
        '/healthz',
        '/readyz',
        '/metrics',
      ]);
      const { parameters } = document.paths['/caption'].post!;
      expect(parameters.map(({ name }) => name)).to.include.members(['beam', 'n', 'maxLength', 'lengthPenalty']);
      expect(parameters.find(({ name }) => name === 'beam')!.schema).to.include({
        type: 'integer',
        maximum: 10,
        default: 3,
      });
      const docs = await service.server.inject('/docs/');
      expect(docs.statusCode).to.equal(200);
      expect(docs.payload).not.to.match(/(src|href)="https?:/);
    });

    it('answers unknown routes and wrong methods with a sentence', async () => {
      const missing = await service.server.inject('/captions');
      expect(missing.statusCode).to.equal(404);
      expect(missing.json<Failure>().error.message).to.equal('No route GET /captions. See /openapi.json.');
      for (const [method, url, allow] of [
        ['GET', '/caption', 'POST'],
        ['PUT', '/explain', 'POST'],
        ['POST', '/healthz', 'GET'],
      ] as const) {
        const wrong = await service.server.inject({ method, url });
        expect([wrong.statusCode, wrong.headers.allow, wrong.json<Failure>().error.code]).to.deep.equal([
          405,
          allow,
          'wrong-method',
        ]);
      }
    });

    it('explains a photo', async () => {
      const { statusCode, payload } = await service.server.inject({
        method: 'POST',
        url: '/explain?beam=2',
        payload: photo,
        headers: { 'content-type': 'image/jpeg' },
      });
      expect(statusCode).to.equal(200);
      const { captions, words, search, occlusion } = JSON.parse(payload) as {
        captions: { caption: string; tokens: { word: string }[] }[];
        words: { word: string; p: number; alternatives: { word: string; p: number }[] }[];
        search: { id: number; parent: number; word: string; kept: boolean }[][];
        occlusion: { grid: number; drops: number[][][] };
      };
      expect(words.map(({ word }) => word)).to.deep.equal([...captions[0].tokens.map(({ word }) => word), '<end>']);
      expect(words[0].alternatives).to.have.length(5);
      expect(search[0]).to.have.length(2);
      expect(occlusion.drops).to.have.length(words.length);
      expect(occlusion.drops[0]).to.have.length(occlusion.grid);
    });

    it('explains one photo at a time, and no other thing', async () => {
      const two = form([1, 2].map((i) => ({ name: 'p', filename: `${i}.jpg`, value: photo })));
      const reply = await service.server.inject({ method: 'POST', url: '/explain', ...two });
      expect([reply.statusCode, reply.json<Failure>().error.code]).to.deep.equal([400, 'too-many-photos']);
      const none = await service.server.inject({ method: 'POST', url: '/explain', payload: 'no photo' });
      expect(none.statusCode).to.equal(422);
    });
  });

  describe('what it guards against', () => {
    it('lets nobody caption without a key if there are keys, and reports health to everyone', async () => {
      const keys = keysFromEnvironment({ CAPTIONER_API_KEYS: ' first, second ,', CAPTIONER_ADMIN_KEY: 'boss' });
      const keyed = await start({}, { keys });
      await keyed.ready();
      for (const headers of [
        {},
        { authorization: 'Bearer wrong' },
        { 'x-api-key': 'firs' },
        { authorization: 'first' },
      ]) {
        const reply = await caption(keyed, headers as Record<string, string>);
        expect(reply.statusCode).to.equal(401);
        expect(reply.json<Failure>().error.message).to.match(/Bearer/);
      }
      for (const [name, key] of [
        ['authorization', 'Bearer first'],
        ['x-api-key', 'second'],
      ]) {
        expect((await caption(keyed, { [name]: key })).statusCode).to.equal(200);
      }
      expect((await keyed.server.inject('/metrics')).statusCode).to.equal(401);
      expect((await keyed.server.inject({ url: '/metrics', headers: { 'x-api-key': 'boss' } })).statusCode).to.equal(
        200,
      );
      for (const url of ['/healthz', '/readyz']) expect((await keyed.server.inject(url)).statusCode).to.equal(200);
      expect(JSON.stringify(keyed.log)).not.to.match(/first|second|boss/);
    });

    it('reloads only for its owner, and reports the result', async () => {
      const reload = (some: TinyService, headers: Record<string, string> = {}) =>
        some.server.inject({ method: 'POST', url: '/-/reload', headers });
      expect((await reload(service)).statusCode).to.equal(403);
      const owned = await start({}, { keys: { clients: ['client'], admin: 'boss' } });
      await owned.ready();
      expect((await reload(owned, { 'x-api-key': 'client' })).statusCode).to.equal(401);
      const said = async () => (await caption(owned, { 'x-api-key': 'client' })).payload;
      const before = await said();
      await owned.retrain(8);
      const good = await reload(owned, { authorization: 'Bearer boss' });
      expect(good.statusCode).to.equal(200);
      const after = await said();
      expect(after).not.to.equal(before);
      fs.writeFileSync(path.join(owned.checkpoint, 'vocab.json'), '{"words": []}');
      const bad = await reload(owned, { authorization: 'Bearer boss' });
      expect(bad.statusCode).to.equal(500);
      expect(bad.json<Failure>().error.message).to.match(/the previous one stays in service\. A file .* is damaged/);
      expect(bad.payload).not.to.include(owned.checkpoint);
      expect(JSON.stringify(owned.log)).to.include('vocab.json');
      expect(await said()).to.equal(after);
    });

    it('counts a client’s requests', async () => {
      const limited = await start({ rateLimit: 3 });
      await limited.ready();
      const codes = [];
      for (let i = 0; i < 5; i++) codes.push((await caption(limited)).statusCode);
      expect(codes).to.deep.equal([200, 200, 200, 429, 429]);
      const reply = await caption(limited);
      expect(reply.json<Failure>().error.message).to.match(
        /^More than 3 captions per minute\. Try again in \d+ seconds\.$/,
      );
      expect(Number(reply.headers['retry-after'])).to.be.within(1, 60);
      expect((await limited.server.inject('/healthz')).statusCode).to.equal(200);
      // Who is not behind a proxy can't pretend to be someone else.
      expect((await caption(limited, { 'x-forwarded-for': '1.2.3.4' })).statusCode).to.equal(429);
    });

    it('refuses too much, by bytes, photos, fields and pixels', async () => {
      const small = await start({
        maxFileMegabytes: 0.01,
        maxRequestMegabytes: 0.03,
        maxFiles: 3,
        maxMegapixels: 0.01,
      });
      await small.ready();
      const big = Buffer.alloc(11_000, 1);
      const files = (count: number, value: Buffer) =>
        form(Array.from({ length: count }, (_, i) => ({ name: 'p', filename: `${i}.jpg`, value })));
      const many = form(Array.from({ length: 60 }, (_, i) => ({ name: `f${i}`, value: '1' })));
      const pixels = await sharp({ create: { width: 200, height: 100, channels: 3, background: '#777' } })
        .png()
        .toBuffer();
      const send = async (request: object) => {
        const reply = await small.server.inject({ method: 'POST', url: '/caption', ...request });
        return [reply.statusCode, reply.json<Failure>().error?.message];
      };
      expect(await send(files(1, big))).to.deep.equal([413, 'A photo may have at most 0.01 MB.']);
      expect(await send({ payload: big })).to.deep.equal([413, 'A photo may have at most 0.01 MB.']);
      expect(await send({ payload: { image: big.toString('base64') } })).to.deep.equal([
        413,
        'A photo may have at most 0.01 MB.',
      ]);
      expect(await send({ payload: { images: Array(9).fill(big.toString('base64')) } })).to.deep.equal([
        413,
        'A request may have at most 0.03 MB.',
      ]);
      expect(await send(files(4, photo))).to.deep.equal([413, 'A request may have at most 3 photos.']);
      expect(await send({ payload: { images: ['', '', '', ''] } })).to.deep.equal([
        413,
        'A request may have at most 3 photos.',
      ]);
      expect(await send({ payload: Buffer.alloc(40_000) })).to.deep.equal([413, 'A request may have at most 0.03 MB.']);
      expect(await send(many)).to.deep.equal([413, 'The form has too many fields.']);
      expect(await send(form([{ name: 'beam', value: '1'.repeat(2000) }]))).to.deep.equal([
        400,
        "The field 'beam' is too long.",
      ]);
      const [status, message] = await send(files(1, pixels));
      expect(status).to.equal(422);
      expect(message).to.match(/too many pixels: the limit is 10,000/);
    });

    it('holds no more photos in memory than it may', async () => {
      const tight = await start({ maxUploadMegabytes: 0.001 });
      await tight.ready();
      const large = await colouredPhoto([1, 2, 3], { width: 90, height: 90, format: 'png' });
      const reply = await caption(tight, {}, large);
      expect([reply.statusCode, reply.json<Failure>().error.code]).to.deep.equal([503, 'busy']);
      // What was held is given back.
      for (let i = 0; i < 5; i++) expect((await caption(tight)).statusCode).to.equal(200);
    });

    it('sends headers that keep browsers safe, and a page that loads nothing from elsewhere', async () => {
      const { headers, payload } = await service.server.inject('/');
      expect(headers['content-security-policy']).to.match(/default-src 'none'.*frame-ancestors 'none'/);
      expect(headers['content-security-policy']).not.to.match(/unsafe/);
      expect(headers).to.include({ 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' });
      expect(headers).not.to.have.property('x-powered-by');
      expect(payload).not.to.match(/<(script|link|img)[^>]*(src|href)="(https?:)?\/\//);
    });

    it('serves only its page’s files and the samples', async () => {
      for (const url of [
        '/../package.json',
        '/%2e%2e/package.json',
        '/..%2fpackage.json',
        '/samples/../../package.json',
        '/samples/README.md',
      ]) {
        expect((await service.server.inject(url)).statusCode).to.be.oneOf([400, 403, 404]);
      }
      const names = (await service.server.inject('/samples')).json<string[]>();
      expect(names).to.include('cat.jpg');
      const sample = await service.server.inject('/samples/cat.jpg');
      expect(sample.headers['content-type']).to.equal('image/jpeg');
      expect(sample.rawPayload.equals(fs.readFileSync('data/samples/cat.jpg'))).to.equal(true);
    });

    it('logs requests as JSON without photos, and unexpected errors without telling clients', async () => {
      const secret = form([{ name: 'p', filename: 'my-secret-name.jpg', value: photo }]);
      await service.server.inject({ method: 'POST', url: '/caption', ...secret });
      const lines = JSON.stringify(service.log);
      expect(service.log.length).to.be.above(0);
      expect(lines).to.include('"url":"/caption"');
      expect(lines).not.to.include('my-secret-name');
      expect(lines.length / service.log.length).to.be.below(1000);
    });
  });

  describe('with clients over a network', () => {
    it('ends with who sends too slowly, and serves the others', async () => {
      const slow = await start({ uploadTimeout: 0.3 });
      await slow.ready();
      const { port } = await listen(slow);
      const socket = net.connect(port, '127.0.0.1');
      socket.write('POST /caption HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: 1000\r\n\r\nabc');
      const heard = text(socket);
      expect((await caption(slow)).statusCode).to.equal(200);
      expect(await heard).to.match(/^(HTTP\/1.1 4\d\d |$)/);
    });

    it('survives clients that leave in the middle of sending, and while they wait', async () => {
      const some = await start({ batch: 1, timeout: 100, queue: 10_000 });
      await some.ready();
      // Something to do, so that a client waits.
      const search = resolveSearch({});
      const busy = some.pool.caption(Array.from({ length: 400 }, () => ({ bytes: photo, search })));
      const { port } = await listen(some);
      const head =
        'POST /caption HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 100000\r\n\r\n';
      const part = '--b\r\nContent-Disposition: form-data; name="p"; filename="a.jpg"\r\n\r\n';
      for (const begun of [
        'POST /cap',
        head,
        head + part.slice(0, 20),
        `${head}${part}abc`,
        head.replace('multipart/form-data; boundary=b', 'image/jpeg') + 'abc',
      ]) {
        const socket = net.connect(port, '127.0.0.1');
        await once(socket, 'connect');
        await new Promise((resolve) => socket.write(begun, resolve));
        socket.destroy();
        await once(socket, 'close');
      }
      const waiting = net.connect(port, '127.0.0.1');
      waiting.write(
        `POST /caption HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: ${photo.length}\r\n\r\n`,
      );
      waiting.write(photo);
      const uploaded = async () =>
        /^captioner_upload_bytes (\d+)$/m.exec((await some.server.inject('/metrics')).payload)![1];
      while ((await uploaded()) === '0') await new Promise((resolve) => setTimeout(resolve, 5));
      waiting.destroy();
      while ((await uploaded()) !== '0') await new Promise((resolve) => setTimeout(resolve, 5));
      expect(some.pool.status.waiting).to.be.above(0);
      await Promise.all(busy);
      const { payload } = await some.server.inject('/metrics');
      expect(payload).to.match(/^captioner_upload_bytes 0$/m);
      expect((await some.server.inject('/healthz')).statusCode).to.equal(200);
    });

    it('refuses a large request while it is still arriving', async () => {
      const some = await start({ maxFileMegabytes: 0.1, maxRequestMegabytes: 1 });
      await some.ready();
      const { url } = await listen(some);
      const body = new ReadableStream({
        pull(controller) {
          controller.enqueue(new Uint8Array(50_000));
          if (++sent === 18) controller.close();
        },
      });
      let sent = 0;
      const reply = await fetch(`${url}/caption`, { method: 'POST', body, duplex: 'half' } as RequestInit);
      expect(reply.status).to.equal(413);
      expect(((await reply.json()) as Failure).error.message).to.equal('A photo may have at most 0.1 MB.');
      const json = await some.server.inject({
        method: 'POST',
        url: '/caption',
        payload: { images: ['A'.repeat(300_000)] },
      });
      expect([json.statusCode, json.json<Failure>().error.message]).to.deep.equal([
        413,
        'A JSON body may have at most 0.2 MB. Send larger requests as a form.',
      ]);
    });

    it('finishes accepted requests after a signal to stop, and accepts no more', async () => {
      const some = await start({ batch: 1 });
      await some.ready();
      const { url } = await listen(some);
      const post = (body: BodyInit) => fetch(`${url}/caption`, { method: 'POST', body });
      const photos = new FormData();
      for (let i = 0; i < 30; i++) photos.append('photo', new Blob([new Uint8Array(photo)]));
      const accepted = post(photos);
      while (some.pool.status.waiting === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      const closing = some.server.close();
      const { images } = (await (await accepted).json()) as { images: { captions?: unknown[] }[] };
      expect(images.filter(({ captions }) => captions?.length === 1)).to.have.length(30);
      await closing;
      expect(await post(new Uint8Array(photo)).catch(() => 'refused')).to.equal('refused');
    });
  });
});
