import { expect } from 'chai';
import * as z from 'zod';
import { CaptionerError, resolveSearch, describeOptions, SearchConfig } from '../../lib/index.js';
import { documented, readSearch as read, searchFields, type SearchLimits } from '../../serve/search-options.js';
import { colouredPhoto } from '../fixtures/tiny-captioner.js';
import { tinyService, type TinyService } from './tiny-service.js';

describe('the options of a search, from a request', () => {
  const limits: SearchLimits = { maxBeam: 10, maxLength: 50, maxEvaluations: 1000 };
  const readSearch = (fields: Readonly<Record<string, unknown>>) => read(searchFields(limits), {}, fields, limits);

  it('are read from text', () => {
    const fields = {
      method: 'diverse',
      n: '4',
      groups: '2',
      diversity: '0.8',
      minLength: '5',
      noRepeatNgram: '2',
      require: 'red shirt, dog',
      forbid: 'man',
      unknown: 'true',
    };
    expect(readSearch(fields)).to.deep.equal(
      resolveSearch({
        method: 'diverse',
        n: 4,
        groups: 2,
        diversity: 0.8,
        minLength: 5,
        noRepeatNgram: 2,
        require: ['red shirt', 'dog'],
        forbid: ['man'],
        unknown: true,
      }),
    );
    expect(readSearch({ method: 'sample', temperature: '1.5', topK: '5', topP: '0.5', seed: '7' })).to.include({
      temperature: 1.5,
      topK: 5,
      topP: 0.5,
      seed: 7,
    });
  });

  it('are read from JSON, and from a query that names a list word by word', () => {
    const { require, n } = readSearch({ require: ['red shirt', 'dog'], n: 2 });
    expect([require, n]).to.deep.equal([['red shirt', 'dog'], 2]);
    expect(readSearch({ require: '' }).require).to.deep.equal([]);
  });

  it('choose a beam no wider than the service allows', () => {
    expect(readSearch({ method: 'diverse', n: '4' }).beam).to.equal(8);
  });

  it('are refused if they make no sense', () => {
    expect(() => readSearch({ n: ['1', '2'] })).to.throw(CaptionerError, "'n' is given more than once");
    expect(() => readSearch({ method: 'sample', n: '11' })).to.throw(CaptionerError, 'n: at most 10 here');
    expect(() => readSearch({ method: 'sample', require: 'dog' })).to.throw(CaptionerError, "'require' has no effect");
    expect(() => readSearch({ unknown: 'perhaps' })).to.throw(CaptionerError, 'unknown: ');
  });

  it('are refused if they take too long', () => {
    const refused = (fields: object, complaint: string) => {
      expect(() => readSearch(fields as Record<string, unknown>)).to.throw(CaptionerError, complaint);
    };
    refused({ maxLength: '200' }, 'maxLength: at most 50 here');
    refused({ minLength: '60', maxLength: '60' }, 'minLength: at most 50 here');
    refused(
      { beam: '10', maxLength: '50', require: 'dog, red ball' },
      'This search evaluates up to 2,000 words for a photo',
    );
    expect(readSearch({ beam: '10', maxLength: '50', require: 'dog' }).beam).to.equal(10);
  });

  it('are described as the one config has them', () => {
    const { properties } = z.toJSONSchema(searchFields(limits), { io: 'input', ...documented }) as {
      properties: Record<string, { type: string; items?: object; default: unknown; enum?: string[]; maximum?: number }>;
    };
    for (const { name, default: standard } of describeOptions(SearchConfig)) {
      expect(properties[name].default, name).to.deep.equal(standard);
    }
    expect(properties.beam.maximum).to.equal(10);
    expect(properties.require).to.deep.include({ type: 'array', items: { type: 'string' }, default: [] });
    expect(properties.method.enum).to.deep.equal(['beam', 'diverse', 'sample', 'stochastic', 'consensus']);
  });
});

describe('a search, over HTTP', function () {
  this.timeout(120_000).slow(10_000);
  let service: TinyService;
  let photo: Buffer;

  before(async () => {
    service = await tinyService();
    photo = await colouredPhoto([200, 40, 40]);
    await service.ready();
  });
  after(() => service.close());

  const post = async (query: string) => {
    const headers = { 'content-type': 'image/jpeg' };
    const request = { method: 'POST' as const, url: `/caption?${query}`, payload: photo, headers };
    const reply = await service.server.inject(request);
    return { status: reply.statusCode, body: reply.json<{ captions?: { caption: string }[]; error?: object }>() };
  };

  it('has the words that are required', async () => {
    for (const query of ['require=sky,the%20stone&forbid=a&n=2', 'require=sky&require=the%20stone&forbid=a&n=2']) {
      const { status, body } = await post(query);
      expect(status).to.equal(200);
      expect(body.captions).to.have.length(2);
      for (const { caption } of body.captions!) {
        expect(caption)
          .to.match(/\bsky\b/)
          .and.match(/\bthe stone\b/);
        expect(caption).not.to.match(/\ba\b/);
      }
    }
  });

  it('draws the same again', async () => {
    const drawn = await post('method=sample&n=4&temperature=2');
    expect(drawn.body.captions).to.have.length(4);
    expect(await post('method=sample&n=4&temperature=2')).to.deep.equal(drawn);
    expect(await post('method=sample&n=4&temperature=2&seed=9')).to.not.deep.equal(drawn);
  });

  it('is refused with the closest known word', async () => {
    expect(await post('require=ston')).to.deep.equal({
      status: 400,
      body: {
        error: {
          code: 'bad-option',
          message: "require: 'ston' is not in the vocabulary. Did you mean 'stone'?",
        },
      },
    });
  });
});
