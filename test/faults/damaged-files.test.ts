import { expect } from 'chai';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Captioner } from '../../lib/captioner/captioner.js';
import { extractFeatures } from '../../lib/data/features/extraction.js';
import { openFeatures } from '../../lib/data/features/store.js';
import { HistogramEncoder } from '../../lib/data/features/histogram-encoder.js';
import { CaptionerError } from '../../lib/errors.js';
import { loadCheckpoint, loadResumeState, saveCheckpoint } from '../../lib/model/checkpoint/checkpoint.js';
import { Random } from '../../lib/random.js';
import { colouredPhoto, saveTinyCaptioner } from '../fixtures/tiny-captioner.js';
import { tinyCheckpoint } from '../fixtures/tiny-checkpoint.js';

/** A damaged file: truncated, with one bit flipped, with a run of zeros, or with the end of another file. */
function spoil(bytes: Buffer, random: Random): { spoilt: Buffer; how: string } {
  const at = random.integer(bytes.length);
  const spoilt = Buffer.from(bytes);
  switch (random.integer(4)) {
    case 0:
      return { spoilt: spoilt.subarray(0, at), how: `cut after ${at} of ${bytes.length} bytes` };
    case 1: {
      const bit = random.integer(8);
      spoilt[at] ^= 1 << bit;
      return { spoilt, how: `bit ${bit} of byte ${at} flipped` };
    }
    case 2:
      spoilt.subarray(at, at + 64).fill(0);
      return { spoilt, how: `zeros from byte ${at}` };
    default:
      return {
        spoilt: Buffer.concat([spoilt.subarray(0, at), spoilt.subarray(0, 100)]),
        how: `something else from byte ${at}`,
      };
  }
}

describe('damaged files', function () {
  this.timeout(240_000).slow(30_000);
  let folder: string;
  let photo: Buffer;
  const at = (...names: string[]) => path.join(folder, ...names);
  before(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    await saveTinyCaptioner(at('captioner'));
    photo = await colouredPhoto([200, 30, 40]);
  });
  after(() => fs.rmSync(folder, { recursive: true }));

  async function caption(checkpoint: string): Promise<string> {
    const captioner = await Captioner.load(checkpoint);
    const [{ captions, error }] = await captioner.caption([{ file: 'a', bytes: photo }]);
    await captioner.release();
    if (error) throw error;
    return JSON.stringify(captions);
  }

  /** Spoils a file of the captioner in many ways: each must be named in an error, or do no harm. */
  async function attack(name: string, rounds: number, seed: number): Promise<{ found: number; harmless: number }> {
    const expected = await caption(at('captioner'));
    fs.cpSync(at('captioner'), at('spoilt'), { recursive: true });
    const whole = fs.readFileSync(at('captioner', name));
    const random = new Random(seed);
    const counts = { found: 0, harmless: 0 };
    for (let round = 0; round < rounds; round++) {
      const { spoilt, how } = spoil(whole, random);
      fs.writeFileSync(at('spoilt', name), spoilt);
      try {
        expect(await caption(at('spoilt')), `${name}, ${how}: the caption`).to.equal(expected);
        counts.harmless++;
      } catch (error) {
        expect(error, `${name}, ${how}: ${String(error)}`).to.have.property('name', 'CaptionerError');
        expect((error as CaptionerError).code).to.be.oneOf(['corrupt', 'mismatch', 'not-found', 'unsupported']);
        counts.found++;
      }
    }
    fs.rmSync(at('spoilt'), { recursive: true });
    return counts;
  }

  for (const [name, leastFound] of [
    ['decoder.safetensors', 115],
    ['decoder.onnx', 118],
    ['decoder-start.onnx', 118],
    ['vocab.json', 118],
    // Counts and scores of the training can change without anything else.
    ['config.json', 40],
  ] as const) {
    it(`of a checkpoint are named, or do no harm: ${name}`, async () => {
      const { found, harmless } = await attack(name, 120, name.length);
      expect(found, `${harmless} did no harm`).to.be.at.least(leastFound);
    });
  }

  it('of its encoder are named', async () => {
    const { found, harmless } = await attack('encoder.onnx', 60, 4);
    // A spoilt name or a bit of a comment changes the checksum, too.
    expect(found, `${harmless} did no harm`).to.equal(60);
  });

  it('needed for resuming are named', () => {
    const slots = new Map([['a', { shape: [40], data: Float32Array.from({ length: 40 }, (_, i) => i) }]]);
    const state = { step: 12, epoch: 3, random: [1, 2, 3, 4] };
    saveCheckpoint(at('resume'), tinyCheckpoint(), { resume: { slots, state } });
    const random = new Random(8);
    for (const name of ['optimizer.safetensors', 'state.json'] as const) {
      const whole = fs.readFileSync(at('resume', name));
      let named = 0;
      for (let round = 0; round < 200; round++) {
        const { spoilt, how } = spoil(whole, random);
        fs.writeFileSync(at('resume', name), spoilt);
        try {
          const { slots: found } = loadResumeState(at('resume'));
          // The trainer checks what its counters may be; a digit for another it can't tell.
          expect(found, `${name}, ${how}`).to.deep.equal(slots);
        } catch (error) {
          expect(error, `${name}, ${how}`).to.have.property('name', 'CaptionerError');
          named++;
        }
      }
      expect(named, name).to.be.at.least(name === 'state.json' ? 100 : 185);
      fs.writeFileSync(at('resume', name), whole);
    }
    expect(loadResumeState(at('resume'))).to.deep.equal({ slots, state });
  });

  it('of a feature store are named, never read as other numbers', async () => {
    const samples = path.resolve('data/samples');
    const photos = fs.readdirSync(samples).filter((name) => name.endsWith('.jpg')).map((id) => ({ id, file: path.join(samples, id) })); // prettier-ignore
    await extractFeatures({ manifest: { photos }, encoder: new HistogramEncoder(), folder: at('features') });
    const readAll = () => {
      const store = openFeatures(at('features'));
      try {
        return new Map(photos.map(({ id }) => [id, store.read(id)]));
      } finally {
        store.close();
      }
    };
    const expected = readAll();
    const random = new Random(9);
    for (const name of ['meta.json', 'index.jsonl', 'features.bin']) {
      const whole = fs.readFileSync(at('features', name));
      let found = 0;
      for (let round = 0; round < 200; round++) {
        const { spoilt, how } = spoil(whole, random);
        fs.writeFileSync(at('features', name), spoilt);
        try {
          expect(readAll(), `${name}, ${how}`).to.deep.equal(expected);
        } catch (error) {
          expect(error, `${name}, ${how}: ${String(error)}`).to.have.property('name', 'CaptionerError');
          found++;
        }
      }
      expect(found, name).to.be.at.least(name === 'meta.json' ? 100 : 190);
      fs.writeFileSync(at('features', name), whole);
    }
  });

  it('of a later version say so', () => {
    saveCheckpoint(at('later'), tinyCheckpoint());
    const config = JSON.parse(fs.readFileSync(at('later/config.json'), 'utf8')) as object;
    fs.writeFileSync(at('later/config.json'), JSON.stringify({ ...config, format: 2, captioner: '9.0.0' }));
    expect(() => loadCheckpoint(at('later'))).to.throw(
      CaptionerError,
      /format 2, written by captioner 9\.0\.0.*Update captioner/,
    );
    const meta = JSON.parse(fs.readFileSync(at('features/meta.json'), 'utf8')) as object;
    fs.writeFileSync(at('features/meta.json'), JSON.stringify({ ...meta, version: 2 }));
    expect(() => openFeatures(at('features'))).to.throw(CaptionerError, /meta\.json is damaged or of another version/);
  });
});
