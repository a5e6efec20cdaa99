import type { ReinforcementConfig } from '../config.js';
import { DecoderSession } from '../decode/decoder-session.js';
import { sampleCaptions } from '../decode/sampling.js';
import type { CheckpointConfig } from '../model/checkpoint.js';
import { weightsOf } from '../model/variables.js';
import { Random } from '../random.js';
import { Vocabulary } from '../text/vocabulary.js';
import { fillCaptions, type Batch, type CaptionedPhoto, type Example } from './batches.js';
import { DecoderTask, type DecoderTaskParts } from './decoder-task.js';
import type { History } from './history.js';
import { advantages, CaptionReward } from './reward.js';
import { learningRateAt } from './schedule.js';
import { storedFeatures, TrainingStep } from './step.js';
import type { StepResult, TrainerState } from './trainer.js';

export interface ReinforcementTaskParts extends DecoderTaskParts {
  readonly config: CheckpointConfig & { readonly reinforced: NonNullable<CheckpointConfig['reinforced']> };
}

/**
 * Learning from the score of one's own captions: self-critical sequence training (Rennie et al. 2017). Of each photo some captions
 * are drawn; those that score better than the others become likelier, word by word, the worse ones less likely (REINFORCE, Williams
 * 1992). The loss that is shown is minus the mean reward.
 */
export class ReinforcementTask extends DecoderTask<readonly CaptionedPhoto[]> {
  readonly unit = 'captions';
  readonly epochs: number;
  readonly batchesPerEpoch: number;
  private readonly config: ReinforcementConfig;
  private readonly reward: CaptionReward;
  private readonly training: TrainingStep<Batch>;
  /** Captions of a batch. */
  private readonly rows: number;

  constructor(protected override readonly parts: ReinforcementTaskParts) {
    super(parts, parts.config.reinforced.config);
    const { photos, vocabulary, decoder } = parts;
    const config = (this.config = parts.config.reinforced.config);
    this.epochs = config.epochs;
    this.batchesPerEpoch = Math.ceil(photos.length / config.photosPerBatch);
    this.rows = config.photosPerBatch * config.samples;
    this.reward = new CaptionReward(photos, vocabulary);
    const stepConfig = { batchSize: this.rows, labelSmoothing: 0, seed: config.seed };
    this.training = new TrainingStep(decoder, storedFeatures, this.optimizer, stepConfig);
  }

  get history(): History {
    return this.parts.history;
  }

  plan(epoch: number): (readonly CaptionedPhoto[])[] {
    const { photosPerBatch, seed } = this.config;
    const photos = new Random(seed, epoch).shuffle([...this.parts.photos]);
    return Array.from({ length: this.batchesPerEpoch }, (_, i) =>
      photos.slice(i * photosPerBatch, (i + 1) * photosPerBatch),
    );
  }

  async step(photos: readonly CaptionedPhoto[], step: number): Promise<StepResult> {
    const learningRate = learningRateAt(step, this.epochs * this.batchesPerEpoch, this.config);
    const features = this.featuresOf(photos);
    const examples = await this.draw(photos, features, new Random(this.config.seed, step, 2));
    const rewards = examples.map(({ photo, targets }) => this.reward.of(photo, targets));
    const longest = examples.reduce((most, { targets }) => Math.max(most, targets.length), 1);
    const length = this.parts.buckets.find((bucket) => longest <= bucket)!;
    const batch = fillCaptions(examples, length, this.rows);
    const better = advantages(rewards, this.config.samples);
    batch.weights.forEach((weight, i) => {
      if (weight > 0) batch.weights[i] = weight * better[i % this.rows];
    });
    const { gradientNorm } = await this.training.learn({ ...batch, features }, step, learningRate);
    const mean = rewards.reduce((sum, reward) => sum + reward, 0) / rewards.length;
    return { loss: -mean, gradientNorm, learningRate, count: rewards.length };
  }

  /** Features of each caption to draw, [rows, D]; where there is no photo any more, zeros. */
  private featuresOf(photos: readonly CaptionedPhoto[]): Float32Array {
    const { features: store } = this.parts;
    const features = new Float32Array(this.rows * store.dimension);
    photos
      .flatMap(({ id }) => Array.from({ length: this.config.samples }, () => id))
      .forEach((id, row) => store.read(id, features, row * store.dimension));
    return features;
  }

  /** Captions of the decoder as it is now, `samples` of each photo. */
  private async draw(photos: readonly CaptionedPhoto[], features: Float32Array, random: Random): Promise<Example[]> {
    const { graphs, decoder } = this.parts;
    const { samples, maxLength, temperature } = this.config;
    const rows = photos.length * samples;
    const given = features.subarray(0, (features.length / this.rows) * rows);
    const session = await DecoderSession.load(graphs, weightsOf(decoder.variables));
    try {
      const drawn = await sampleCaptions(session, given, rows, random, { maxLength, temperature });
      return drawn.map(({ tokens, finished }, row) => ({
        photo: photos[Math.floor(row / samples)].id,
        targets: finished ? [...tokens, Vocabulary.END] : tokens,
      }));
    } finally {
      await session.release();
    }
  }

  protected trained({ epoch: epochs, step: steps }: TrainerState) {
    return { reinforced: { ...this.parts.config.reinforced, trained: { epochs, steps } } };
  }

  override dispose(): void {
    this.training.dispose();
    super.dispose();
  }
}
