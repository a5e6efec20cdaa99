import { expect } from 'chai';
import type { InjectOptions } from 'fastify';
import { Captioner, type Caption } from '../../lib/index.js';
import { colouredPhoto } from '../fixtures/tiny-captioner.js';
import { form, tinyService, type TinyService } from './tiny-service.js';

interface Answer {
  readonly name?: string;
  readonly captions?: { caption: string; p: number; logProbability: number; tokens: { word: string; p: number }[] }[];
  readonly error?: { code: string; message: string };
  readonly images?: Answer[];
  readonly index?: number;
}

describe('POST /caption', function () {
  this.timeout(120_000).slow(10_000);
  let service: TinyService;
  let captioner: Captioner;
  let [red, blue, white]: Buffer[] = [];

  before(async () => {
    service = await tinyService();
    captioner = await Captioner.load(service.checkpoint);
    [red, blue, white] = await Promise.all([
      colouredPhoto([200, 40, 40]),
      colouredPhoto([40, 40, 200], { format: 'png' }),
      colouredPhoto([220, 220, 220]),
    ]);
    await service.ready();
  });
  after(async () => {
    await captioner.release();
    await service.close();
  });

  const post = async (request: InjectOptions, url = '/caption') => {
    const reply = await service.server.inject({ method: 'POST', url, ...request });
    return { status: reply.statusCode, headers: reply.headers, body: JSON.parse(reply.payload) as Answer };
  };
  const raw = (payload: Buffer, headers: Record<string, string> = { 'content-type': 'image/jpeg' }) => ({
    payload,
    headers,
  });

  /** The library's own captions of a photo, in the service's shape. */
  const expected = async (bytes: Buffer, search = {}) => {
    const [{ captions }] = await captioner.caption([{ file: 'photo', bytes }], search);
    return answered(captions);
  };
  const answered = (captions: readonly Caption[]) =>
    captions.map(({ caption, probability, logProbability, confidence, words }) => ({
      caption,
      p: probability,
      logProbability,
      confidence,
      tokens: words.map((word) => ({ word: word.word, p: word.probability })),
    }));
  const sentences = (captions: Answer['captions']) => captions!.map(({ caption }) => caption);

  it('captions a photo sent as a form, as the body itself, and as JSON', async () => {
    const captions = await expected(red);
    const asForm = await post(form([{ name: 'whatever', filename: 'red.jpg', value: red }]));
    expect(asForm.status).to.equal(200);
    expect(asForm.body).to.deep.equal({ name: 'red.jpg', captions });
    for (const type of ['image/jpeg', 'application/octet-stream', 'application/x-www-form-urlencoded']) {
      expect((await post(raw(red, { 'content-type': type }))).body).to.deep.equal({ captions });
    }
    const base64 = red.toString('base64');
    for (const image of [base64, `data:image/jpeg;base64,${base64}`]) {
      const asJson = await post({ payload: { image } });
      expect(asJson.body).to.deep.equal({ captions });
    }
    // No type at all: what it is, its content tells.
    expect((await post({ payload: red })).body).to.deep.equal({ captions });
  });

  it('answers several photos in their order, a bad one with an error in its place', async () => {
    const parts = [red, Buffer.from('no photo'), blue, red.subarray(0, 300), Buffer.alloc(0), white];
    const { status, body } = await post(
      form(parts.map((value, i) => ({ name: `photo${i}`, filename: `${i}.jpg`, value }))),
    );
    expect(status).to.equal(200);
    expect(body.images!.map(({ name }) => name)).to.deep.equal(parts.map((_, i) => `${i}.jpg`));
    for (const [i, photo] of [red, undefined, blue, undefined, undefined, white].entries()) {
      const { captions, error } = body.images![i];
      if (photo) expect(sentences(captions)).to.deep.equal(sentences(await expected(photo)));
      else expect(error).to.have.property('code', 'bad-image');
    }
    const asJson = await post({ payload: { images: [blue.toString('base64')] } });
    expect(asJson.body.images!.map(({ captions }) => sentences(captions))).to.deep.equal([
      sentences(await expected(blue)),
    ]);
  });

  it('reads options from the query, the form and JSON; the body’s take precedence', async () => {
    const captions = sentences(await expected(red, { beam: 5, n: 2, lengthPenalty: 0 }));
    expect(captions).to.have.length(2);
    const inQuery = await post(raw(red), '/caption?beam=5&n=2&lengthPenalty=0');
    expect(sentences(inQuery.body.captions)).to.deep.equal(captions);
    const inForm = await post(
      form([
        { name: 'beam', value: '5' },
        { name: 'photo', filename: 'a.jpg', value: red },
        { name: 'n', value: '2' },
      ]),
      '/caption?n=3&lengthPenalty=0',
    );
    expect(sentences(inForm.body.captions)).to.deep.equal(captions);
    const inJson = await post({ payload: { image: red.toString('base64'), beam: 5, n: 2, lengthPenalty: 0 } });
    expect(sentences(inJson.body.captions)).to.deep.equal(captions);
  });

  it('gives the requested number of captions with the default beam', async () => {
    const { body } = await post(raw(red), '/caption?n=5');
    expect(body.captions).to.have.length(5);
  });

  for (const [query, complaint] of [
    ['beem=3', /'beem' is not known; did you mean 'beam'\?/],
    ['beam=0', /beam: .*1/],
    ['beam=three', /beam: .*number/],
    ['beam=', /beam: .*number/],
    ['beam=1e9', /beam/],
    ['beam=11', /beam: at most 10 here/],
    ['n=3&beam=2', /A beam of 2 can't give 3 captions/],
    ['beam=2&beam=3', /'beam' is given more than once/],
    ['lengthPenalty=NaN', /lengthPenalty: .*number/],
    ['__proto__=1', /__proto__/],
  ] as const) {
    it(`refuses ?${query} and says why`, async () => {
      const { status, body } = await post(raw(red), `/caption?${query}`);
      expect(status).to.equal(400);
      expect(body.error).to.have.property('code', 'bad-option');
      expect(body.error!.message).to.match(complaint);
    });
  }

  for (const [what, request, status, complaint] of [
    ['nothing', {}, 400, /no photo in this request/],
    ['a form without a photo', form([{ name: 'n', value: '1' }]), 400, /no photo in this request/],
    ['text', { payload: 'hello', headers: { 'content-type': 'text/plain' } }, 422, /JPEG, PNG/],
    ['an address', { payload: { image: 'https://example.org/cat.jpg' } }, 400, /Web addresses are not fetched/],
    ['broken JSON', { payload: '{"image', headers: { 'content-type': 'application/json' } }, 400, /not JSON/],
    ['a list', { payload: [] }, 400, /must be an object/],
    ['a number', { payload: { image: 5 } }, 400, /string of base64/],
    ['no base64', { payload: { image: '%%%' } }, 400, /not base64/],
    [
      'a form without a boundary',
      { payload: 'x', headers: { 'content-type': 'multipart/form-data' } },
      400,
      /form can't be read/,
    ],
    ['another kind of form', { payload: 'x', headers: { 'content-type': 'multipart/mixed; boundary=x' } }, 400, /form/],
  ] as [string, InjectOptions, number, RegExp][]) {
    it(`refuses ${what} with a sentence`, async () => {
      const reply = await post(request);
      expect(reply.status).to.equal(status);
      expect(reply.body.error!.message).to.match(complaint);
    });
  }

  it('sends each photo as a line or an event as soon as it is captioned, on request', async () => {
    const photos = form(
      [red, Buffer.from('no photo'), blue].map((value, i) => ({ name: 'p', filename: `${i}.jpg`, value })),
    );
    const ask = (accept: string) =>
      service.server.inject({
        method: 'POST',
        url: '/caption',
        ...photos,
        headers: { ...photos.headers, accept },
      });
    const lines = await ask('application/x-ndjson');
    expect(lines.headers['content-type']).to.match(/^application\/x-ndjson/);
    const parsed = lines.payload
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Answer);
    expect(parsed.map(({ index, name }) => [index, name])).to.deep.equal([0, 1, 2].map((i) => [i, `${i}.jpg`]));
    expect(sentences(parsed[2].captions)).to.deep.equal(sentences(await expected(blue)));
    expect(parsed[1].error).to.have.property('code', 'bad-image');
    const events = (await ask('text/event-stream')).payload.split('\n\n').filter(Boolean);
    expect(events.map((event) => event.split('\n')[0])).to.deep.equal([
      'event: photo',
      'event: photo',
      'event: photo',
      'event: end',
    ]);
    expect(events.slice(0, 3).map((event) => JSON.parse(event.split('\ndata: ')[1]) as Answer)).to.deep.equal(parsed);
  });

  it('fails as a whole only when every photo of a list does', async () => {
    const { status, body } = await post({ payload: { images: ['AAAA', 'BBBB'] } });
    expect(status).to.equal(422);
    expect(body.images!.map(({ error }) => error!.code)).to.deep.equal(['bad-image', 'bad-image']);
  });

  it('captions concurrent photos as it captions each alone', async () => {
    const photos = await Promise.all(
      Array.from({ length: 24 }, (_, i) =>
        colouredPhoto([(i * 37) % 256, (i * 91) % 256, (i * 53) % 256], { seed: i }),
      ),
    );
    const answers = await Promise.all(photos.map((photo, i) => post(raw(photo), `/caption?beam=${1 + (i % 3)}`)));
    for (const [i, { body }] of answers.entries()) {
      expect(sentences(body.captions)).to.deep.equal(sentences(await expected(photos[i], { beam: 1 + (i % 3) })));
    }
  });
});
