import { expect } from 'chai';
import { CaptionerError } from '../../../lib/errors.js';
import type { HistoryRecord } from '../../../lib/train/loop/history.js';
import {
  freshState,
  Trainer,
  type EpochRecord,
  type StepRecord,
  type TrainerOptions,
  type TrainerState,
  type TrainingTask,
} from '../../../lib/train/loop/trainer.js';

/** A task that writes down what it is asked to do; its model is a number. */
class Diary implements TrainingTask<string> {
  readonly unit = 'tokens';
  readonly epochs: number;
  readonly batchesPerEpoch = 3;
  readonly entries: string[] = [];
  readonly saved: { state: TrainerState; best: boolean }[] = [];

  constructor(
    private readonly goals: number[],
    private readonly lossAt: (step: number) => number = () => 2,
  ) {
    this.epochs = goals.length;
  }

  plan = (epoch: number) => ['a', 'b', 'c'].map((batch) => `${batch}${epoch}`);
  step = (batch: string, step: number) => {
    this.entries.push(`${step}:${batch}`);
    return Promise.resolve({ loss: this.lossAt(step), gradientNorm: 1, learningRate: 0.1, count: 1 + (step % 3) });
  };
  validate = (signal?: AbortSignal) => {
    signal?.throwIfAborted();
    this.entries.push('validate');
    return Promise.resolve({ CIDEr: this.goals[this.entries.filter((entry) => entry === 'validate').length - 1] });
  };
  goal = ({ CIDEr }: Record<string, number>) => CIDEr;
  save = (state: TrainerState, best: boolean) => {
    this.entries.push(best ? 'save best' : 'save');
    this.saved.push({ state, best });
  };
}

const options = (change: Partial<TrainerOptions> = {}): TrainerOptions => ({
  patience: 0,
  saveEvery: 0,
  now: () => 0,
  ...change,
});

async function failure(run: Promise<unknown>): Promise<CaptionerError> {
  try {
    await run;
  } catch (error) {
    expect(error).to.be.instanceOf(CaptionerError);
    return error as CaptionerError;
  }
  throw new Error('nothing was thrown');
}

describe('Trainer', () => {
  it('steps through the batches of each epoch, validates and saves after it, and marks the best', async () => {
    const diary = new Diary([0.5, 0.4, 0.6]);
    const state = await new Trainer(diary, options()).run();
    expect(diary.entries.join(' ')).to.equal(
      '0:a0 1:b0 2:c0 validate save best 3:a1 4:b1 5:c1 validate save 6:a2 7:b2 8:c2 validate save best',
    );
    expect(state).to.include({ step: 9, epoch: 3, batch: 0, best: 0.6, bestEpoch: 3, epochsSinceBest: 0 });
    expect(state.bestScores).to.deep.equal({ CIDEr: 0.6 });
  });

  it('stops when patience ends, and then counts as finished', async () => {
    const diary = new Diary([0.5, 0.5, 0.4, 0.9, 1]);
    const trainer = new Trainer(diary, options({ patience: 2 }));
    const state = await trainer.run();
    expect(state).to.include({ epoch: 3, best: 0.5, bestEpoch: 1, epochsSinceBest: 2 });
    expect(trainer.finished).to.equal(true);
    await new Trainer(diary, options({ patience: 2 }), state).run();
    expect(state.epoch, 'a finished run stays as it is').to.equal(3);
  });

  it('weighs the loss of an epoch by words', async () => {
    const records: HistoryRecord[] = [];
    const record = records.push.bind(records);
    await new Trainer(new Diary([1], (step) => step), options({ record })).run();
    // Losses 0, 1, 2 of 1, 2, 3 words
    expect(records).to.have.length(1);
    expect(records[0]).to.deep.include({ type: 'epoch', epoch: 1, step: 3, best: true, scores: { CIDEr: 1 } });
    const [{ loss, perplexity }] = records as EpochRecord[];
    expect(loss).to.be.closeTo(8 / 6, 1e-12);
    expect(perplexity).to.be.closeTo(Math.exp(8 / 6), 1e-12);
  });

  it('records the speed and mean loss of each 20 steps', async () => {
    const records: HistoryRecord[] = [];
    let time = 0;
    const now = () => (time += 10);
    await new Trainer(new Diary(Array<number>(14).fill(1)), options({ record: records.push.bind(records), now })).run();
    const steps = records.filter((record): record is StepRecord => record.type === 'step');
    expect(steps.map(({ step }) => step)).to.deep.equal([20, 40]);
    expect(steps[0]).to.include({ epoch: 7, loss: 2, gradientNorm: 1, learningRate: 0.1 });
    // 20 steps of 10 ms each, and 6 x (1 + 2 + 3) + 1 + 2 words
    expect(steps[0].tokensPerSecond).to.be.closeTo(39 / 0.2, 1e-9);
  });

  it('saves every so many minutes within an epoch', async () => {
    const diary = new Diary([1]);
    let time = 0;
    const onStep = () => void (time += 20_000);
    await new Trainer(diary, options({ saveEvery: 0.5, now: () => time, onStep })).run();
    expect(diary.entries.join(' ')).to.equal('0:a0 1:b0 save 2:c0 validate save best');
    expect(diary.saved[0].state).to.include({ step: 2, epoch: 0, batch: 2 });
  });

  for (const stopAt of [1, 3, 4, 6]) {
    it(`saves and stops on request after step ${stopAt}, and resumes exactly there`, async () => {
      const whole = new Diary([1, 2, 3]);
      await new Trainer(whole, options()).run();
      const diary = new Diary([1, 2, 3]);
      const controller = new AbortController();
      const onStep = ({ step }: { step: number }) => {
        if (step === stopAt) controller.abort();
      };
      const error = await failure(new Trainer(diary, options({ signal: controller.signal, onStep })).run());
      expect(error).to.have.property('code', 'interrupted');
      expect(error.message).to.equal(`Stopped after ${stopAt} of 9 steps, which are saved.`);
      const { state, best } = diary.saved.at(-1)!;
      expect(best).to.equal(false);
      const resumed = JSON.parse(JSON.stringify(state)) as TrainerState;
      const end = await new Trainer(diary, options(), resumed).run();
      const done = (entries: string[]) => entries.filter((entry) => !entry.startsWith('save')).join(' ');
      expect(done(diary.entries)).to.equal(done(whole.entries));
      expect(end).to.deep.equal(whole.saved.at(-1)!.state);
    });
  }

  for (const bad of [NaN, Infinity]) {
    it(`stops at a loss of ${bad} without saving`, async () => {
      const diary = new Diary([1, 2], (step) => (step === 4 ? bad : 2));
      const error = await failure(new Trainer(diary, options()).run());
      expect(error).to.have.property('code', 'numeric');
      expect(error.message).to.match(/^Step 5: the loss is (NaN|Infinity)\. .*is intact\. Try a lower learning rate/);
      expect(diary.saved).to.have.length(1);
      expect(diary.saved[0].state).to.include({ step: 3, epoch: 1 });
    });
  }

  it('reports its progress, and ends the report even if it fails', async () => {
    const told: string[] = [];
    const progress = {
      start: (task: string, total: number, unit: string) => void told.push(`${task} ${total} ${unit}`),
      update: (done: number, note = '') => void told.push(`${done} ${note}`.trim()),
      stop: () => void told.push('stop'),
    };
    await new Trainer(new Diary([1, 1]), options({ progress })).run();
    const epochs = ['1', '2', '3', '3 scoring on the dev photos', '4', '5', '6', '6 scoring on the dev photos'];
    expect(told).to.deep.equal(['Training 6 steps', '0', ...epochs, 'stop']);
    told.length = 0;
    await failure(new Trainer(new Diary([1], () => NaN), options({ progress }), freshState()).run());
    expect(told.at(-1)).to.equal('stop');
  });
});
