import { expect } from 'chai';
import type { InjectOptions } from 'fastify';
import { Random } from '../../lib/random.js';
import { colouredPhoto } from '../fixtures/tiny-captioner.js';
import { form, tinyService, type TinyService } from './tiny-service.js';

const boundary = '----a-boundary';

/** Ways to spoil bytes. Each is drawn again and again with another seed. */
const spoil: Record<string, (bytes: Buffer, random: Random) => Buffer> = {
  'cut short': (bytes, random) => bytes.subarray(0, random.integer(bytes.length)),
  'without its beginning': (bytes, random) => bytes.subarray(random.integer(bytes.length)),
  'with other bytes': (bytes, random) => {
    const copy = Buffer.from(bytes);
    for (let i = random.integer(20); i >= 0; i--) copy[random.integer(copy.length)] = random.integer(256);
    return copy;
  },
  'with a hole': (bytes, random) => {
    const start = random.integer(bytes.length);
    return Buffer.concat([bytes.subarray(0, start), bytes.subarray(start + random.integer(200))]);
  },
  'with a piece twice': (bytes, random) => {
    const [start, length] = [random.integer(bytes.length), random.integer(300)];
    return Buffer.concat([bytes.subarray(0, start + length), bytes.subarray(start)]);
  },
  'with noise in it': (bytes, random) => {
    const start = random.integer(bytes.length);
    const noise = Buffer.from(Array.from({ length: random.integer(400) }, () => random.integer(256)));
    return Buffer.concat([bytes.subarray(0, start), noise, bytes.subarray(start)]);
  },
  'with other line ends': (bytes) => Buffer.from(bytes.toString('latin1').replaceAll('\r\n', '\n'), 'latin1'),
  'with boundaries in it': (bytes, random) => {
    const start = random.integer(bytes.length);
    return Buffer.concat([bytes.subarray(0, start), Buffer.from(`\r\n--${boundary}\r\n`), bytes.subarray(start)]);
  },
};

/** Headers of a part that no browser sends. */
const strangeHeads = [
  'Content-Disposition: form-data',
  'Content-Disposition: form-data; name=""; filename=""',
  'Content-Disposition: attachment; filename="a.jpg"',
  'Content-Disposition: form-data; name="__proto__"; filename="a.jpg"',
  'Content-Disposition: form-data; name="constructor"',
  'Content-Disposition: form-data; name="p"; filename="../../etc/passwd"',
  `Content-Disposition: form-data; name="${'n'.repeat(100_000)}"; filename="a.jpg"`,
  'Content-Disposition: form-data; name="p"; filename*=UTF-8\'\'%ff%fe%00.jpg',
  'Content-Disposition: form-data; name="beam"\r\nContent-Type: application/json',
  'Content-Disposition: form-data; name="p"; filename="a.jpg"\r\nContent-Transfer-Encoding: base64',
  'Content-Disposition: form-data; name="p"; filename="a.jpg"\r\nContent-Type: multipart/mixed; boundary=inner',
  'Content-Type: image/jpeg',
  '',
  ':',
  '\0\0\0',
  Array.from({ length: 500 }, (_, i) => `X-${i}: y`).join('\r\n'),
];

const types = [
  `multipart/form-data; boundary=${boundary}`,
  'multipart/form-data; boundary=another',
  'multipart/form-data; boundary=',
  'multipart/form-data; boundary="',
  `multipart/form-data; boundary=${'b'.repeat(200)}`,
  'multipart/form-data',
  'multipart/; boundary=b',
  'application/json',
  'application/json; charset=utf-7',
  'image/jpeg',
  'image/svg+xml',
  'text/html',
  'x',
  ';;;',
];

describe('thousands of malformed uploads', function () {
  this.timeout(180_000).slow(60_000);
  let service: TinyService;
  let photos: Buffer[];
  const troubles: string[] = [];

  before(async () => {
    service = await tinyService(
      { logLevel: 'error' },
      { observer: { trouble: ({ message }) => troubles.push(message) } },
    );
    photos = await Promise.all([colouredPhoto([200, 40, 40]), colouredPhoto([40, 40, 200], { format: 'png' })]);
    await service.ready();
  });
  after(() => service.close());

  /** Each request is answered, by captions or by a 4xx with a sentence; then the service is as it was. */
  async function send(requests: readonly InjectOptions[]): Promise<Record<number, number>> {
    const statuses: Record<number, number> = {};
    for (let first = 0; first < requests.length; first += 16) {
      const replies = await Promise.all(
        requests.slice(first, first + 16).map((request) => service.server.inject({ method: 'POST', ...request })),
      );
      for (const [i, { statusCode, payload }] of replies.entries()) {
        statuses[statusCode] = (statuses[statusCode] ?? 0) + 1;
        const what = `${JSON.stringify(requests[first + i].headers)} ${Buffer.from(
          requests[first + i].payload as Buffer,
        )
          .toString('latin1')
          .slice(0, 300)}`;
        if (statusCode === 200) continue;
        expect(statusCode, `${payload} for ${what}`).to.be.within(400, 499);
        const { error, images } = JSON.parse(payload) as {
          error?: { message: string };
          images?: { error: { message: string } }[];
        };
        for (const { message } of images ? images.map((image) => image.error) : [error!])
          expect(message).to.match(/\S .*[.)]$/s);
      }
    }
    expect(troubles).to.deep.equal([]);
    expect(service.log.map(({ msg }) => msg)).to.deep.equal([]);
    expect(service.pool.status).to.include({ waiting: 0, running: 0, workers: 1 });
    const sound = await service.server.inject({ method: 'POST', url: '/caption', payload: photos[0] });
    expect(sound.statusCode).to.equal(200);
    return statuses;
  }

  it('of spoilt forms', async () => {
    const random = new Random(1);
    const requests = Object.values(spoil).flatMap((change) =>
      Array.from({ length: 150 }, (_, i) => {
        const { headers, payload } = form([
          { name: 'beam', value: '2' },
          ...photos.slice(0, 1 + (i % 2)).map((value) => ({ name: 'photo', filename: 'a.jpg', value })),
        ]);
        return { url: '/caption', headers, payload: change(payload as Buffer, random) };
      }),
    );
    const statuses = await send(requests);
    expect(statuses[400]).to.be.above(200);
  });

  it('of spoilt photos', async () => {
    const random = new Random(2);
    const requests = Object.values(spoil).flatMap((change) =>
      Array.from({ length: 100 }, (_, i) => ({
        url: i % 10 === 0 ? '/explain' : '/caption',
        headers: { 'content-type': 'image/jpeg' },
        payload: change(photos[i % 2], random),
      })),
    );
    const statuses = await send(requests);
    expect(statuses[422]).to.be.above(400);
  });

  it('of spoilt JSON', async () => {
    const random = new Random(3);
    const sound = Buffer.from(
      JSON.stringify({ images: photos.map((photo) => photo.toString('base64')), beam: 2, n: 1 }),
    );
    const strange = [
      '',
      'null',
      '5',
      '"x"',
      '[]',
      '{"image": {}}',
      '{"images": {}}',
      '{"images": [null]}',
      '{"image": "", "__proto__": {"beam": 1}}',
      '{"image": "AAAA", "constructor": 1}',
      '{"image": "AAAA", "beam": {"toString": 1}}',
      '{"image": "AAAA", "beam": [3]}',
      `{"image": "${'='.repeat(1000)}"}`,
      `{"image": ${'['.repeat(20_000)}${']'.repeat(20_000)}}`,
      '\ufeff{"image": "AAAA"}',
      '{"image": "data:image/png;base64,"}',
      '{"image": "file:///etc/passwd"}',
    ];
    const requests = [
      ...strange.map((text) => Buffer.from(text)),
      ...Object.values(spoil).flatMap((change) => Array.from({ length: 60 }, () => change(sound, random))),
    ].map((payload) => ({ url: '/caption', headers: { 'content-type': 'application/json' }, payload }));
    await send(requests);
  });

  it('of parts with strange headers, of mismatched types, and of impossible options', async () => {
    const random = new Random(4);
    const parts = strangeHeads.flatMap((head) =>
      [photos[0], Buffer.from('2'), Buffer.alloc(0)].map((value) =>
        Buffer.concat([Buffer.from(`--${boundary}\r\n${head}\r\n\r\n`), value, Buffer.from(`\r\n--${boundary}--\r\n`)]),
      ),
    );
    const formType = { 'content-type': types[0] };
    const whole = form([{ name: 'p', filename: 'a.jpg', value: photos[0] }]).payload as Buffer;
    const values = ['', ' ', '-1', '0', '1e400', 'NaN', 'null', '%00', '%ff', '3%20', '[]', 'true', '9'.repeat(400)];
    const names = [
      'beam',
      'n',
      'maxLength',
      'lengthPenalty',
      'toString',
      '__proto__',
      'x'.repeat(500),
      '',
      '%',
      'beam[]',
    ];
    await send([
      ...parts.map((payload) => ({ url: '/caption', headers: formType, payload })),
      ...types.flatMap((type) =>
        [whole, photos[0], Buffer.from('{"image": ""}'), Buffer.alloc(0)].map((payload) => ({
          url: '/caption',
          headers: { 'content-type': type },
          payload,
        })),
      ),
      ...names.flatMap((name) =>
        values.map((value) => ({ url: `/caption?${name}=${value}`, payload: photos[random.integer(2)] })),
      ),
    ]);
  });
});
