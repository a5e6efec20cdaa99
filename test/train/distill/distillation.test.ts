import { expect } from 'chai';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { PhotoEncoder } from '../../../lib/data/features/extraction.js';
import type { Manifest } from '../../../lib/data/datasets/manifest.js';
import { CaptionerError } from '../../../lib/errors.js';
import { decodePhoto } from '../../../lib/images/photo.js';
import { Encoder } from '../../../lib/model/encoder/encoder.js';
import { storeWeights } from '../../../lib/onnx/weight-storage.js';
import { distillationPhotos } from '../../../lib/train/distill/distill-data.js';
import { distill, type DistillationOptions } from '../../../lib/train/distill/distillation.js';
import { readHistory } from '../../../lib/train/loop/history.js';
import { stripedPhotos } from '../../fixtures/striped-photos.js';

/** A teacher that knows how much brightness changes from row to row and from column to column, and how bright a photo is. */
class StripeTeacher implements PhotoEncoder {
  readonly identity = { name: 'stripes', sha256: 'a'.repeat(64), dimension: 4 };
  readonly inputSize = 16;
  seen = 0;

  features(photos: readonly Uint8Array[]): Promise<Float32Array> {
    this.seen += photos.length;
    const size = this.inputSize;
    const rows = photos.map((rgb) => {
      const grey = (x: number, y: number) => rgb[3 * (y * size + x)] / 255;
      let [down, across, bright] = [0, 0, 0];
      for (let y = 1; y < size; y++) {
        for (let x = 1; x < size; x++) {
          down += Math.abs(grey(x, y) - grey(x, y - 1));
          across += Math.abs(grey(x, y) - grey(x - 1, y));
          bright += grey(x, y);
        }
      }
      return [down, across, bright, down - across].map((sum) => sum / size ** 2);
    });
    return Promise.resolve(Float32Array.from(rows.flat()));
  }
}

describe('distill', () => {
  let scratch: string;
  let stripes: Manifest;
  const at = (...names: string[]) => path.join(scratch, ...names);

  beforeEach(async () => {
    scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    stripes = await stripedPhotos(scratch, 24, 6);
  });
  afterEach(() => {
    fs.rmSync(scratch, { recursive: true });
  });

  const training = { epochs: 3, viewRounds: 2, batchSize: 8, learningRate: 0.01, warmupSteps: 2, seed: 3 };
  const small = (change: Partial<DistillationOptions> = {}): DistillationOptions => ({
    manifests: [stripes],
    teacher: new StripeTeacher(),
    out: at('run'),
    network: { inputSize: 32, width: 4 },
    training,
    ...change,
  });
  const refusal = async (options: DistillationOptions) => {
    const error = await distill(options).catch((e: unknown) => e);
    expect(error).to.be.instanceOf(CaptionerError);
    return error as CaptionerError;
  };

  it("learns the teacher's features from views, as an ONNX file that gives them for photos it has not seen", async () => {
    const teacher = new StripeTeacher();
    const { encoder: file, state } = await distill(small({ teacher, training: { ...training, epochs: 20 } }));
    expect(state.bestScores.cosine).to.be.above(0.8);
    expect(state.bestScores.explained).to.be.above(0.3);
    // The dev photos, and two views of each train photo, however many epochs.
    expect(teacher.seen).to.equal(6 + 2 * 24);

    const history = readHistory(at('run', 'history.jsonl'));
    const losses = history.flatMap((record) => (record.type === 'epoch' ? [record.loss] : []));
    expect(losses).to.have.length(20);
    expect(losses.at(-1)).to.be.below(0.5 * losses[0]);

    const encoder = await Encoder.load(file);
    expect(encoder.identity).to.include({ name: 'convnet', dimension: 4 });
    expect(encoder.inputSize).to.equal(32);
    const unseen = stripes.photos.filter(({ split }) => split === 'dev');
    const given = await encoder.features(await Promise.all(unseen.map((photo) => decodePhoto(photo.file, 32))));
    const wanted = await teacher.features(await Promise.all(unseen.map((photo) => decodePhoto(photo.file, 16))));
    // The last feature's sign tells lying stripes from standing ones.
    unseen.forEach((_, i) => {
      expect(Math.sign(given[4 * i + 3])).to.equal(Math.sign(wanted[4 * i + 3]));
    });
    await encoder.release();
  });

  it('resumes after a stop, and ends in the same encoder as an uninterrupted run', async () => {
    const whole = await distill(small({ out: at('whole') }));
    const stop = new AbortController();
    const onStep = ({ step }: { step: number }) => {
      if (step === 4) stop.abort();
    };
    const error = await refusal(small({ signal: stop.signal, onStep }));
    expect(error.code).to.equal('interrupted');
    expect(error.message).to.include('after 4 of 9 steps').and.include('--resume');
    // The folder of a run from before `viewRounds` had its name is resumed like any other.
    const file = at('run', 'last', 'config.json');
    const config = JSON.parse(fs.readFileSync(file, 'utf8')) as { training: Record<string, unknown> };
    const { viewRounds: views, ...others } = config.training;
    fs.writeFileSync(file, JSON.stringify({ ...config, training: { ...others, views } }));
    const resumed = await distill(small({ resume: true }));
    const bytes = (run: string) => fs.readFileSync(at(run, 'last', 'encoder.onnx'));
    expect(resumed.state.step).to.equal(whole.state.step);
    expect(bytes('run').equals(bytes('whole'))).to.equal(true);
  });

  it('begins with the network of another run: other epochs, larger photos, more blocks, but no other width', async () => {
    const network = { inputSize: 64, width: 4 };
    const first = await distill(small({ network, training: { ...training, epochs: 20 } }));
    const from = at('run');
    // Hardly a step is taken, so each is as good as what it began with.
    const slow = { ...training, epochs: 1, batchSize: 24, learningRate: 1e-6 };
    const same = await distill(small({ out: at('same'), from, network: undefined, training: slow }));
    expect(same.state.bestScores.cosine).to.be.closeTo(first.state.bestScores.cosine, 0.03);
    const deeper = await distill(
      small({ out: at('deeper'), from, network: { inputSize: 64, blocks: 2 }, training: slow }),
    );
    expect(deeper.state.bestScores.cosine).to.be.closeTo(first.state.bestScores.cosine, 0.03);
    const larger = await distill(small({ out: at('larger'), from, network: { inputSize: 128 }, training: slow }));
    expect(larger.state.bestScores.cosine).to.be.above(0.3);
    const config = JSON.parse(fs.readFileSync(at('larger', 'best', 'config.json'), 'utf8')) as object;
    expect(config).to.have.nested.property('network.inputSize', 128);
    expect(config).to.have.nested.property('network.width', 4);
    expect(config).to.have.deep.property('from', {
      crops: 20 * 24,
      inputSize: 64,
      cosine: first.state.bestScores.cosine,
    });
    const refused = await refusal(small({ out: at('other'), from, network: { width: 8 } }));
    expect(refused.code).to.equal('mismatch');
    expect(refused.message).to.include('width 4 and 1 blocks');
    expect((await refusal(small({ out: at('other'), from: at('nothing') }))).code).to.equal('not-found');
  });

  it('begins with the file that was made of a network, in 16 bits', async () => {
    const first = await distill(small({ training: { ...training, epochs: 12 } }));
    const file = at('encoder.onnx');
    fs.writeFileSync(file, storeWeights(fs.readFileSync(first.encoder), 'fp16'));
    const slow = { ...training, epochs: 1, batchSize: 24, learningRate: 1e-6 };
    const same = await distill(small({ out: at('same'), from: file, network: undefined, training: slow }));
    // Its normalisations, which the file has no more, come from the photos as they are now.
    expect(same.state.bestScores.cosine).to.be.closeTo(first.state.bestScores.cosine, 0.1);
    const config = JSON.parse(fs.readFileSync(at('same', 'best', 'config.json'), 'utf8')) as object;
    expect(config).to.have.nested.property('network.width', 4);
    expect(config).to.have.nested.property('from.sha256').with.length(64);
    fs.writeFileSync(file, 'no network');
    expect((await refusal(small({ out: at('other'), from: file }))).code).to.equal('corrupt');
  });

  it('leaves out a photo that cannot be decoded, and reports it', async () => {
    fs.writeFileSync(stripes.photos[2].file, 'no photo');
    const warnings: string[] = [];
    await distill(small({ warn: (line) => warnings.push(line), training: { ...training, epochs: 1 } }));
    expect(warnings).to.have.length(1);
    expect(warnings[0]).to.include('stripes/2.png is left out').and.include('is not a photo');
  });

  it('refuses a folder in use, and a run that was begun differently', async () => {
    await distill(small({ training: { ...training, epochs: 1 } }));
    expect((await refusal(small())).message).to.include('holds a training run');
    const wider = await refusal(small({ resume: true, network: { inputSize: 32, width: 8 } }));
    expect(wider.code).to.equal('mismatch');
    expect(wider.message).to.include('width 4, not 8');
    const averaging = new StripeTeacher();
    Object.assign(averaging.identity, { views: 'mirror' });
    const otherViews = await refusal(small({ resume: true, teacher: averaging }));
    expect(otherViews.message).to.include("the teacher's views one, not mirror");
    const teacher = new StripeTeacher();
    Object.assign(teacher.identity, { sha256: 'b'.repeat(64) });
    expect((await refusal(small({ resume: true, teacher }))).message).to.include('the teacher');
    fs.writeFileSync(at('run', 'last', 'state.json'), '{"step": 3');
    const damaged = await refusal(small({ resume: true }));
    expect(damaged.code).to.equal('corrupt');
    expect(damaged.message).to.include('state.json is damaged: it is not JSON');
  });
});

describe('distillationPhotos', () => {
  const photos = (name: string, splits: readonly ('train' | 'dev' | 'test' | undefined)[]): Manifest => ({
    name,
    photos: splits.map((split, i) => ({ id: `${i}`, file: `/${name}/${i}`, split, captions: [] })),
    problems: [],
  });
  const ids = (list: readonly { id: string }[]) => list.map(({ id }) => id);

  it('learns from train photos and those without a split, measures on dev photos, and does not use test photos', () => {
    const { train, dev } = distillationPhotos([
      photos('a', ['train', 'dev', 'test']),
      photos('b', [undefined, undefined]),
    ]);
    expect(ids(train)).to.deep.equal(['a/0', 'b/0', 'b/1']);
    expect(ids(dev)).to.deep.equal(['a/1']);
  });

  it('holds out a twentieth without dev photos', () => {
    const { train, dev } = distillationPhotos([
      photos(
        'b',
        Array.from({ length: 40 }, () => undefined),
      ),
    ]);
    expect(train).to.have.length(38);
    expect(ids(dev)).to.deep.equal(['b/0', 'b/20']);
  });

  it('refuses to learn from nothing', () => {
    expect(() => distillationPhotos([photos('a', ['test'])])).to.throw(CaptionerError, 'no photos');
  });
});
