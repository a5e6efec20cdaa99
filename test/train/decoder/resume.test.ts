import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { CaptionerError } from '../../../lib/errors.js';
import { Random } from '../../../lib/random.js';
import { trainCaptioner, type CaptionerTrainingOptions } from '../../../lib/train/decoder/captioner-training.js';
import { readHistory } from '../../../lib/train/loop/history.js';
import { smallDecoder, smallTraining, twoScenes } from '../../fixtures/two-scenes.js';

describe('a run that was stopped', () => {
  let scratch: string;
  const at = (...names: string[]) => path.join(scratch, ...names);

  beforeEach(() => {
    scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
  });
  afterEach(() => {
    fs.rmSync(scratch, { recursive: true });
  });

  const train = (out: string, change: Partial<CaptionerTrainingOptions> = {}) =>
    trainCaptioner({ ...twoScenes(), out: at(out), decoder: smallDecoder, training: smallTraining, ...change });

  const sameWeights = (one: string, other: string) => {
    for (const file of ['last/decoder.safetensors', 'last/optimizer.safetensors', 'best/decoder.safetensors']) {
      expect(fs.readFileSync(at(one, file)).equals(fs.readFileSync(at(other, file))), file).to.equal(true);
    }
    const counters = (run: string) => {
      const { seconds, ...rest } = JSON.parse(fs.readFileSync(at(run, 'last/state.json'), 'utf8')) as {
        seconds: number;
      };
      expect(seconds).to.be.a('number');
      return rest;
    };
    expect(counters(one)).to.deep.equal(counters(other));
    const epochs = (run: string) =>
      readHistory(at(run, 'history.jsonl')).flatMap((record) =>
        record.type === 'epoch' ? [{ ...record, seconds: 0 }] : [],
      );
    expect(epochs(one)).to.deep.equal(epochs(other));
  };

  const variants: [string, { decoder: object; training: object }][] = [
    ['LSTM, Adam', { decoder: {}, training: {} }],
    [
      'two layers of GRU, AMSGrad, a random caption, weight decay, warm-up',
      {
        decoder: { cell: 'gru', layers: 2, conditioning: 'first-token' },
        training: { optimizer: 'amsgrad', captions: 'random', epochs: 9, weightDecay: 0.01, warmupSteps: 5 },
      },
    ],
    ['scheduled sampling, averaged weights', { decoder: {}, training: { scheduledSampling: 0.6, averageDecay: 0.9 } }],
  ];
  for (const [what, change] of variants) {
    it(`by kill -9 at any moment ends in the weights of an uninterrupted run: ${what}`, async () => {
      await train('whole', {
        decoder: { ...smallDecoder, ...change.decoder },
        training: { ...smallTraining, ...change.training, saveEvery: 1e-9 },
      });
      const script = fileURLToPath(new URL('train-two-scenes.ts', import.meta.url));
      const random = new Random(3);
      let kills = 0;
      for (let code: number | null = null; code !== 0;) {
        const child = spawn(process.execPath, ['--import', 'tsx', script, at('killed'), JSON.stringify(change)], {
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        let steps = 0;
        const stopAfter = 1 + random.integer(9);
        child.stdout.on('data', (dots: Buffer) => {
          steps += dots.length;
          if (steps < stopAfter || kills >= 3) return;
          kills++;
          child.kill('SIGKILL');
        });
        [code] = (await once(child, 'exit')) as [number | null];
        expect(code, 'it ends well, or is killed').to.be.oneOf([0, null]);
      }
      expect(kills).to.be.at.least(3);
      sameWeights('killed', 'whole');
    });
  }

  it('by Ctrl-C within an epoch is saved, says how to resume, and ends in the same weights', async () => {
    await train('whole');
    for (const stopAt of [3, 8, 20]) {
      const controller = new AbortController();
      const onStep = ({ step }: { step: number }) => {
        if (step === stopAt) controller.abort();
      };
      const resume = stopAt !== 3;
      const error = await train('stopped', { signal: controller.signal, onStep, resume }).catch((e: unknown) => e);
      expect(error).to.be.instanceOf(CaptionerError).with.property('code', 'interrupted');
      expect((error as Error).message).to.match(
        new RegExp(
          `^Stopped after ${stopAt} of 32 steps, which are saved\\. Repeat the command with --resume to continue, or the call with resume: true\\.$`,
        ),
      );
    }
    const { state } = await train('stopped', { resume: true });
    expect(state.step).to.equal(32);
    sameWeights('stopped', 'whole');
    const { state: again } = await train('stopped', { resume: true });
    expect(again.step, 'a finished run stays finished').to.equal(32);
    sameWeights('stopped', 'whole');
  });

  it('is not overwritten by a new run, nor resumed with other options', async () => {
    const { manifest, features } = twoScenes();
    await train('run', { training: { ...smallTraining, epochs: 1 } });
    const refused = async (change: Partial<CaptionerTrainingOptions>, code: string, message: RegExp) => {
      const error = await train('run', change).catch((e: unknown) => e);
      expect(error).to.be.instanceOf(CaptionerError).with.property('code', code);
      expect((error as Error).message).to.match(message);
    };
    const resume = true;
    await refused(
      {},
      'bad-input',
      /run holds a training run\. Resume it \(--resume, or resume: true\), or choose another folder/,
    );
    await refused({ resume, decoder: { hiddenSize: 99 } }, 'mismatch', /has hiddenSize 12, not 99/);
    await refused({ resume, training: { learningRate: 0.5 } }, 'mismatch', /has learningRate 0\.02, not 0\.5/);
    await refused({ resume, vocabulary: { minCount: 2 } }, 'mismatch', /has minCount 5, not 2/);
    const fewer = { ...manifest, photos: manifest.photos.slice(1) };
    await refused({ resume, manifest: fewer }, 'mismatch', /has data set photos 20, not 19/);
    const other = { ...features, encoder: { ...features.encoder, sha256: 'a' } };
    await refused({ resume, features: other }, 'mismatch', /come from the encoder/);
    const { state } = await train('run', { resume, training: { epochs: 2, patience: 9 } });
    expect(state.epoch, 'a longer run').to.equal(2);
  });
});
