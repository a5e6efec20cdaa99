import { parseConfig, TrainingConfig } from '../../config.js';
import { CaptionerError } from '../../errors.js';
import { libraryVersion } from '../../files/package.js';
import { Random } from '../../random.js';
import { Vocabulary } from '../../text/vocabulary.js';
import type { CaptionerTrainingOptions } from '../decoder/captioner-training.js';
import { rungsOf, type Rung } from './halving.js';
import { checkSpace, gridPoints, nameOf, optionsOf, randomPoints, type SweepPoint, type SweepSpace } from './space.js';
import type { SweepFile } from './sweep-folder.js';

/** The options that all runs of a sweep have in common. `out` is the folder of the sweep: each run has a folder in it. */
export type SweepBase = Omit<
  CaptionerTrainingOptions,
  'resume' | 'pauseAfter' | 'onStep' | 'onEpoch' | 'progress' | 'signal' | 'now'
>;

/** The runs that a sweep consists of. */
export interface PlanOptions {
  /** Number of seeds to train each point with: the seed of `base` and those after it. Default 1. */
  readonly seeds?: number;
  /** Number of points that random search samples from the space. Default: all combinations. */
  readonly random?: number;
  /**
   * Successive halving: the share 1/`halving` of the points that continue at each rung. Points are compared by their best epoch so far,
   * by the measure that `training.chooseBy` of `base` names (CIDEr or loss on the dev photos), as a mean over seeds. Default 1: all
   * runs are trained to the end.
   */
  readonly halving?: number;
}

/** The runs of a sweep, checked: points with each seed, and the rungs at which the worse ones stop. */
export class SweepPlan {
  readonly points: readonly SweepPoint[];
  readonly seeds: readonly number[];
  readonly training: TrainingConfig;
  readonly rungs: readonly Rung[];

  /** @throws CaptionerError `bad-option` */
  constructor(base: SweepBase, space: SweepSpace, options: PlanOptions) {
    const { random, halving = 1, seeds = 1 } = options;
    checkSpace(space);
    checkOptions(base, space, options);
    this.training = parseConfig(TrainingConfig, base.training);
    const { seed, epochs } = this.training;
    this.points = random === undefined ? gridPoints(space) : randomPoints(space, random, new Random(seed, 5));
    this.seeds = Array.from({ length: seeds }, (_, i) => seed + i);
    this.rungs = rungsOf(epochs, this.points.length, halving);
  }

  /** Epochs of all runs together. */
  get epochs(): number {
    const { rungs, points, seeds } = this;
    if (rungs.length === 1) return seeds.length * points.reduce((sum, point) => sum + this.epochsOf(point), 0);
    const perSeed = rungs.map(({ epoch }, i) =>
      i === 0 ? epoch * points.length : (epoch - rungs[i - 1].epoch) * rungs[i - 1].keep,
    );
    return seeds.length * perSeed.reduce((sum, epochs) => sum + epochs, 0);
  }

  /** Epochs of a run to its end. */
  epochsOf(point: SweepPoint): number {
    return (optionsOf(point).training as Partial<TrainingConfig>).epochs ?? this.training.epochs;
  }

  /** The content of `sweep.json`. */
  describe(base: SweepBase): SweepFile {
    const { manifest, features, decoder, training, vocabulary, from } = base;
    const count = (split: string) => manifest.photos.filter((photo) => photo.split === split).length;
    return {
      format: 1,
      captioner: libraryVersion(),
      measure: this.training.chooseBy,
      base: {
        decoder: { ...decoder },
        training: { ...training },
        vocabulary: vocabulary instanceof Vocabulary ? { words: vocabulary.size } : { ...vocabulary },
        ...(from !== undefined && { from }),
        dataset: { name: manifest.name, train: count('train'), dev: count('dev') },
        encoder: { name: features.encoder.name, sha256: features.encoder.sha256 },
      },
      runs: this.points.flatMap((point) => this.seeds.map((seed) => ({ name: runName(point, seed), point, seed }))),
    };
  }
}

/** The name of a run, and of its folder. */
export function runName(point: SweepPoint, seed: number): string {
  return `${nameOf(point)},seed=${seed}`;
}

/** @throws CaptionerError `bad-option` */
function checkOptions(base: SweepBase, space: SweepSpace, { seeds = 1, random, halving = 1 }: PlanOptions): void {
  const whole = (name: string, value: number) => {
    if (!Number.isInteger(value) || value < 1)
      throw new CaptionerError('bad-option', `${name} of a sweep is ${value}. Give a whole number of at least 1.`);
  };
  whole('seeds', seeds);
  if (random !== undefined) whole('random', random);
  if (!(halving >= 1)) throw new CaptionerError('bad-option', `halving is ${halving}. Give a number of at least 1.`);
  if (halving > 1 && space.epochs !== undefined)
    throw new CaptionerError('bad-option', 'Halving compares runs of the same length. Set epochs for all of them.');
  const cut = space.minCount ?? space.maxSize;
  if (cut !== undefined && base.vocabulary instanceof Vocabulary)
    throw new CaptionerError(
      'bad-option',
      'Vocabulary options have no effect on a given vocabulary. Leave one or the other out.',
    );
}
