import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { DataFrame } from 'danfojs-node';
import { CaptionerError } from '../../../lib/errors.js';
import { trainCaptioner } from '../../../lib/train/decoder/captioner-training.js';
import { rungsOf, survivors } from '../../../lib/train/sweep/halving.js';
import { sweep, type SweepOptions } from '../../../lib/train/sweep/sweep.js';
import type { SweepBase } from '../../../lib/train/sweep/sweep-plan.js';
import { Table } from '../../../lib/viz.js';
import { meansOverSeeds, readSweep, type SweepRow } from '../../../lib/train/sweep/sweep-rows.js';
import { smallDecoder, smallTraining, twoScenes } from '../../fixtures/two-scenes.js';

describe('sweep', function () {
  this.slow(5000);
  let scratch: string;
  const at = (...names: string[]) => path.join(scratch, ...names);
  beforeEach(() => {
    scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
  });
  afterEach(() => {
    fs.rmSync(scratch, { recursive: true });
  });

  const base = (change: Partial<SweepBase> = {}): SweepBase => ({
    ...twoScenes(),
    out: at('sweep'),
    decoder: smallDecoder,
    training: { ...smallTraining, epochs: 2, patience: 0 },
    ...change,
  });
  const space = { learningRate: [0.0001, 0.02], hiddenSize: [8, 12] } as const;
  /** Rows without the time that they took. */
  const untimed = (rows: readonly SweepRow[]) =>
    rows.map((row) => ({ ...row, seconds: 0, folder: path.basename(row.folder) }));
  const refusal = async (run: Promise<unknown>) => {
    const error = await run.catch((e: unknown) => e);
    expect(error).to.be.instanceOf(CaptionerError);
    return error as CaptionerError;
  };

  it('trains each combination with each seed as a separate run, the best first', async () => {
    const rows = await sweep(base(), space, { seeds: 2 });
    expect(rows.map(({ learningRate, hiddenSize, seed }) => [learningRate, hiddenSize, seed])).to.have.deep.members(
      [0.0001, 0.02].flatMap((rate) => [8, 12].flatMap((size) => [5, 6].map((seed) => [rate, size, seed]))),
    );
    expect(rows.map(({ goal }) => goal)).to.deep.equal(rows.map(({ goal }) => goal!).sort((a, b) => b - a));
    expect(rows.every(({ status, epoch }) => status === 'finished' && epoch === 2)).to.equal(true);

    // The same as training it alone.
    const { learningRate, hiddenSize, seed, CIDEr, loss, folder } = rows[0];
    const { state } = await trainCaptioner({
      ...base({ out: at('alone') }),
      decoder: { ...smallDecoder, hiddenSize },
      training: { ...smallTraining, epochs: 2, patience: 0, learningRate, seed },
    });
    expect({ CIDEr, loss }).to.deep.equal({ CIDEr: state.bestScores.CIDEr, loss: state.bestScores.loss });
    const weights = (run: string) => fs.readFileSync(path.join(run, 'last', 'decoder.safetensors'));
    expect(weights(folder).equals(weights(at('alone')))).to.equal(true);
  });

  it('gives plain rows for a DataFrame, and means over seeds', async () => {
    const rows = await sweep(base(), { learningRate: [0.0001, 0.02] }, { seeds: 2 });
    const frame = new DataFrame(rows);
    expect(frame.columns).to.include.members(['run', 'learningRate', 'seed', 'status', 'CIDEr', 'loss', 'seconds']);
    expect(frame.shape[0]).to.equal(4);
    expect(new Table(rows).columns).to.deep.equal(frame.columns);
    const means = meansOverSeeds(rows, 'loss');
    expect(means.map(({ learningRate, runs }) => [learningRate, runs])).to.deep.equal([
      [0.02, 2],
      [0.0001, 2],
    ]);
    const [a, b] = rows.filter(({ learningRate }) => learningRate === 0.02).map(({ loss }) => loss!);
    expect(means[0].mean).to.be.closeTo((a + b) / 2, 1e-12);
    expect(means[0].deviation).to.be.closeTo(Math.abs(a - b) / Math.SQRT2, 1e-12);
  });

  it('resumes in the middle of a run after an interruption, and trains no run twice', async () => {
    const whole = await sweep(base({ out: at('whole') }), space);
    const controller = new AbortController();
    let steps = 0;
    const stop: SweepOptions = {
      signal: controller.signal,
      onStep: () => {
        if (++steps === 24) controller.abort(new CaptionerError('interrupted', 'Stopped.'));
      },
    };
    const error = await refusal(sweep(base(), space, stop));
    expect(error.code).to.equal('interrupted');
    expect(error.message).to.match(
      /^Stopped with 1 of 4 runs done, which are saved in .*sweep\. Repeat the same sweep/,
    );
    const meanwhile = readSweep(at('sweep'));
    expect(meanwhile.map(({ status }) => status).sort()).to.deep.equal([
      'finished',
      'unfinished',
      'waiting',
      'waiting',
    ]);

    const epochs: string[] = [];
    const rest = await sweep(base(), space, {
      onStep: () => void steps++,
      onEpoch: ({ name }, { epoch }) => void epochs.push(`${name} ${epoch}`),
    });
    expect(untimed(rest)).to.deep.equal(untimed(whole));
    expect(steps, 'steps of both calls').to.equal(4 * 2 * 8);
    expect(epochs, 'epochs of the first call included').to.have.length(8);
    expect(new Set(epochs).size).to.equal(8);

    // A third call has nothing left to do; one with more values trains those only.
    await sweep(base(), space, { onStep: () => expect.fail('a finished run is trained again') });
    const more = await sweep(base(), { ...space, hiddenSize: [8, 12, 6] }, { onStep: () => void steps++ });
    expect(more).to.have.length(6);
    expect(steps).to.equal(6 * 2 * 8);
  });

  it('stops the worse half at each rung, with the result of the whole runs for the rest', async () => {
    const training = { ...smallTraining, epochs: 4, patience: 0, chooseBy: 'loss' } as const;
    const rates = { learningRate: [0.00001, 0.02, 0.0001, 0.01] };
    const whole = await sweep(base({ training, out: at('whole') }), rates);
    const seen: [number, string][] = [];
    const halved = await sweep(base({ training }), rates, {
      halving: 2,
      progress: {
        start: (_, total) => seen.push([total, 'total']),
        update: (done) => seen.push([done, 'done']),
        stop: () => undefined,
      },
    });
    const epochs = new Map(halved.map(({ learningRate, epoch, status }) => [learningRate, `${epoch} ${status}`]));
    expect(Object.fromEntries(epochs)).to.deep.equal({
      0.00001: '1 stopped',
      0.0001: '1 stopped',
      [whole[0].learningRate]: '4 finished',
      [whole[1].learningRate]: '2 stopped',
    });
    expect(untimed(halved)[0]).to.deep.equal(untimed(whole)[0]);
    expect(seen.find(([, what]) => what === 'total')![0]).to.equal(4 + 2 + 2);
    expect(seen.at(-1)![0]).to.equal(8);
    expect(seen.map(([n]) => n).slice(1)).to.deep.equal(
      seen
        .map(([n]) => n)
        .slice(1)
        .sort((a, b) => a - b),
    );
  });

  it('keeps the other runs if the loss of one is not finite', async () => {
    const { manifest, features } = twoScenes();
    const huge = {
      ...features,
      read: (id: string, into?: Float32Array, offset = 0) => {
        const row = features.read(id, into, offset);
        for (let i = 0; i < 6; i++) row[offset + i] = Math.fround(row[offset + i] * 1e38);
        return row;
      },
    };
    // Dropout doubles what is left, beyond what 32 bits can hold unless the features are standardised.
    const doubled = base({ manifest, features: huge, decoder: { ...smallDecoder, featureDropout: 0.5 } });
    const rows = await sweep(doubled, { normalizeFeatures: [false, true] });
    expect(rows.map(({ normalizeFeatures, status }) => [normalizeFeatures, status])).to.deep.equal([
      [true, 'finished'],
      [false, 'failed'],
    ]);
    expect(rows[1].goal).to.equal(null);
    await sweep(doubled, { normalizeFeatures: [false, true] }, { onStep: () => expect.fail('trained again') });
  });

  it('samples distinct points at random, within their ranges, and the same ones for the same seed', async () => {
    const wide = {
      learningRate: { from: 1e-5, to: 1e-1, log: true },
      hiddenSize: { from: 4, to: 9 },
      cell: ['gru', 'rnn'],
    } as const;
    const training = { ...smallTraining, epochs: 1, batchSize: 64 };
    const rows = await sweep(base({ training }), wide, { random: 5 });
    expect(new Set(rows.map(({ run }) => run)).size).to.equal(5);
    for (const { learningRate, hiddenSize, cell } of rows) {
      expect(learningRate).to.be.within(1e-5, 1e-1);
      expect(hiddenSize).to.be.within(4, 9);
      expect(Number.isInteger(hiddenSize)).to.equal(true);
      expect(['gru', 'rnn']).to.include(cell);
    }
    // A longer search begins with the shorter one.
    const more = await sweep(base({ training }), wide, { random: 6 });
    expect(more.map(({ run }) => run)).to.include.members(rows.map(({ run }) => run));
  });

  it('refuses an impossible sweep before it trains', async () => {
    const message = async (...[change, values, options]: [Partial<SweepBase>, object, SweepOptions?]) =>
      (await refusal(sweep(base(change), values, options))).message;
    expect(await message({}, { learningRat: [1] })).to.match(
      /'learningRat' is not a hyperparameter.*Did you mean 'learningRate'\?$/,
    );
    expect(await message({}, { hiddenSize: [0] })).to.match(/hiddenSize: Too small/);
    expect(await message({}, { hiddenSize: [] })).to.match(/hiddenSize has no values/);
    expect(await message({}, { seed: [1, 2] })).to.match(/seed can't be varied. Set the number of seeds/);
    expect(await message({}, { hiddenSize: { from: 4, to: 8 } })).to.match(/only random search can sample/);
    expect(await message({}, { epochs: [1, 2] }, { halving: 2 })).to.match(/runs of the same length/);
    expect(await message({}, {}, { seeds: 0 })).to.match(/seeds of a sweep is 0/);
    expect(fs.existsSync(at('sweep'))).to.equal(false);

    const quick = { training: { ...smallTraining, epochs: 1 } };
    await sweep(base(quick), {});
    expect(await message({ training: { ...smallTraining, epochs: 2 } }, {})).to.match(
      /has training.epochs 1, not 2\. Repeat/,
    );
    expect(await message({ out: at('sweep', 'base,seed=5') }, {})).to.match(/holds a training run, not a sweep/);
  });
});

describe('successive halving', () => {
  it('spends about the same epochs at each rung', () => {
    expect(rungsOf(16, 16, 2)).to.deep.equal([
      { epoch: 1, keep: 8 },
      { epoch: 2, keep: 4 },
      { epoch: 4, keep: 2 },
      { epoch: 8, keep: 1 },
      { epoch: 16, keep: 16 },
    ]);
    expect(rungsOf(9, 9, 3)).to.deep.equal([
      { epoch: 1, keep: 3 },
      { epoch: 3, keep: 1 },
      { epoch: 9, keep: 9 },
    ]);
    expect(rungsOf(10, 4, 1)).to.deep.equal([{ epoch: 10, keep: 4 }]);
    expect(rungsOf(1, 8, 2)).to.deep.equal([{ epoch: 1, keep: 8 }]);
  });

  it('always ends with the whole run, at rising epochs, with fewer and fewer points', () => {
    for (const epochs of [1, 2, 3, 5, 7, 20])
      for (const points of [1, 2, 3, 6, 50])
        for (const factor of [1, 1.5, 2, 3, 10]) {
          const rungs = rungsOf(epochs, points, factor);
          expect(rungs.at(-1)!.epoch).to.equal(epochs);
          rungs
            .slice(1)
            .forEach(({ epoch }, i) => expect(epoch, `${epochs} ${points} ${factor}`).to.be.above(rungs[i].epoch));
          rungs
            .slice(0, -1)
            .forEach(({ keep }, i) => expect(keep).to.be.within(1, i === 0 ? points : rungs[i - 1].keep));
        }
  });

  it('keeps the best means, and drops points with a failed run first', () => {
    const goals: Record<string, number[]> = { a: [1, 2], b: [5, -Infinity], c: [0, 0], d: [1, 3] };
    expect(survivors(['a', 'b', 'c', 'd'], (name) => goals[name], 2)).to.deep.equal(['a', 'd']);
    expect(survivors(['b', 'c'], (name) => goals[name], 1)).to.deep.equal(['c']);
  });
});
