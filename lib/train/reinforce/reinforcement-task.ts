import type { ReinforcementConfig } from '../../config.js';
import { DecoderSession } from '../../search/decoder-session.js';
import { sampleCaptions } from '../../search/sampling.js';
import type { CheckpointConfig } from '../../model/checkpoint/checkpoint.js';
import { weightsOf } from '../../model/variables.js';
import { Random } from '../../random.js';
import { Vocabulary } from '../../text/vocabulary.js';
import { examplesOf, fillCaptions, type Batch, type EncodedPhoto, type Example } from '../batches/batches.js';
import { DecoderTask, type DecoderTaskParts } from '../decoder/decoder-task.js';
import type { History } from '../loop/history.js';
import { advantages, CaptionReward } from './reward.js';
import { learningRateAt } from '../loop/schedule.js';
import { storedFeatures, TrainingStep } from '../decoder/training-step.js';
import type { StepResult, TrainerState } from '../loop/trainer.js';

export interface ReinforcementTaskParts extends DecoderTaskParts {
  readonly config: CheckpointConfig & { readonly reinforced: NonNullable<CheckpointConfig['reinforced']> };
}

/**
 * Learning from the score of one's own captions: self-critical sequence training (Rennie et al. 2017). Of each photo some captions
 * are drawn; those that score better than the others become likelier, word by word, the worse ones less likely (REINFORCE, Williams
 * 1992). One caption of people's for each photo is learned from as well, with teacher forcing: without, what is never rewarded may
 * become of any probability, and the language is lost. The loss that is shown is minus the mean reward.
 */
export class ReinforcementTask extends DecoderTask<readonly EncodedPhoto[]> {
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
    this.rows = config.photosPerBatch * this.rowsOfPhoto;
    this.reward = new CaptionReward(photos, vocabulary);
    const stepConfig = { batchSize: this.rows, labelSmoothing: 0, seed: config.seed };
    this.training = new TrainingStep(decoder, storedFeatures, this.optimizer, stepConfig);
  }

  get history(): History {
    return this.parts.history;
  }

  plan(epoch: number): (readonly EncodedPhoto[])[] {
    const { photosPerBatch, seed } = this.config;
    const photos = new Random(seed, epoch).shuffle([...this.parts.photos]);
    return Array.from({ length: this.batchesPerEpoch }, (_, i) =>
      photos.slice(i * photosPerBatch, (i + 1) * photosPerBatch),
    );
  }

  async step(photos: readonly EncodedPhoto[], step: number): Promise<StepResult> {
    const learningRate = learningRateAt(step, this.epochs * this.batchesPerEpoch, this.config);
    const { samples, teacherWeight, seed, maxLength } = this.config;
    const randomView = new Random(seed, step, 5);
    const rows = new Map(photos.map(({ id }) => [id, this.parts.views.draw(id, randomView)]));
    const drawn = await this.draw(photos, rows, new Random(seed, step, 2));
    const rewards = drawn.map(({ photo, targets }) => this.reward.of(photo, targets));
    const random = new Random(seed, step, 3);
    const written = photos.map((photo) => {
      const captions = examplesOf(photo, maxLength);
      return captions[random.integer(captions.length)];
    });
    const examples = teacherWeight > 0 ? [...drawn, ...written] : drawn;
    const weights = [...advantages(rewards, samples), ...written.map(() => teacherWeight * samples)];
    const longest = examples.reduce((most, { targets }) => Math.max(most, targets.length), 1);
    const batch = fillCaptions(
      examples,
      this.parts.buckets.find((bucket) => longest <= bucket)!,
      this.rows,
    );
    batch.weights.forEach((weight, i) => {
      if (weight > 0) batch.weights[i] = weight * weights[i % this.rows];
    });
    const features = this.featuresOf(examples.map(({ photo }) => rows.get(photo)!));
    const { gradientNorm } = await this.training.learn({ ...batch, features }, step, learningRate);
    const mean = rewards.reduce((sum, reward) => sum + reward, 0) / rewards.length;
    return { loss: -mean, gradientNorm, learningRate, count: rewards.length };
  }

  /** Captions of the decoder as it is now, `samples` of each photo. @param rows ids of the features that it sees of each. */
  private async draw(
    photos: readonly EncodedPhoto[],
    rows: ReadonlyMap<string, string>,
    random: Random,
  ): Promise<Example[]> {
    const { graphs, decoder } = this.parts;
    const { samples, maxLength, temperature } = this.config;
    const ids = photos.flatMap(({ id }) => Array.from({ length: samples }, () => id));
    const session = await DecoderSession.load(graphs, weightsOf(decoder.variables));
    try {
      const seen = ids.map((id) => rows.get(id)!);
      const given = this.featuresOf(seen, seen.length);
      const drawn = await sampleCaptions(session, given, ids.length, random, { maxLength, temperature });
      return drawn.map(({ tokens, finished }, i) => ({
        photo: ids[i],
        targets: finished ? [...tokens, Vocabulary.END] : tokens,
      }));
    } finally {
      await session.release();
    }
  }

  /** Features of photos, or of views of them, [rows, D]; where there is no photo any more, zeros. */
  private featuresOf(ids: readonly string[], rows = this.rows): Float32Array {
    const { features } = this.parts;
    const read = new Float32Array(rows * features.dimension);
    ids.forEach((id, row) => features.read(id, read, row * features.dimension));
    return read;
  }

  /** Captions of each photo in a step: those that are drawn, and one of people's. */
  private get rowsOfPhoto(): number {
    return this.config.samples + (this.config.teacherWeight > 0 ? 1 : 0);
  }

  protected trained({ epoch: epochs, step: steps }: TrainerState) {
    return { reinforced: { ...this.parts.config.reinforced, trained: { epochs, steps } } };
  }

  override dispose(): void {
    this.training.dispose();
    super.dispose();
  }
}
