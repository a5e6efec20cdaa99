import type { ReinforcementConfig } from '../../config.js';
import { DecoderSession } from '../../search/decoder-session.js';
import { sampleCaptions } from '../../search/sampling.js';
import type { CheckpointConfig } from '../../model/checkpoint/checkpoint.js';
import { readRows } from '../../data/features/store.js';
import { weightsOf } from '../../model/variables.js';
import { Random } from '../../random.js';
import { Vocabulary } from '../../text/vocabulary.js';
import { examplesOf, fillCaptions, type Batch, type EncodedPhoto, type Example } from '../batches/batches.js';
import { DecoderTask, type DecoderTaskParts } from '../decoder/decoder-task.js';
import { advantages, CaptionReward } from './reward.js';
import { learningRateAt } from '../loop/schedule.js';
import { storedFeatures, TrainingStep } from '../decoder/training-step.js';
import type { StepResult, TrainerState } from '../loop/trainer.js';

/** The parts of a {@link ReinforcementTask}. */
export interface ReinforcementTaskParts extends DecoderTaskParts {
  readonly config: CheckpointConfig & { readonly reinforced: NonNullable<CheckpointConfig['reinforced']> };
}

/**
 * Learning from the scores of the decoder's own captions: self-critical sequence training (Rennie et al. 2017). A few captions of each
 * photo are sampled. Those that score better than the others become more likely, word by word, and the worse ones less likely
 * (REINFORCE, Williams 1992). One caption by people for each photo is learned as well, with teacher forcing: otherwise words that are
 * never rewarded could take any probability, and the language would degrade. The reported loss is minus the mean reward.
 */
export class ReinforcementTask extends DecoderTask<readonly EncodedPhoto[]> {
  readonly unit = 'captions';
  readonly epochs: number;
  readonly batchesPerEpoch: number;
  private readonly config: ReinforcementConfig;
  private readonly reward: CaptionReward;
  private readonly training: TrainingStep<Batch>;
  /** Lengths that captions are padded to. */
  private readonly buckets: readonly number[];
  /** Captions of each photo in a step: the sampled ones, and one by people. */
  private readonly rowsOfPhoto: number;
  /** Captions of a batch. */
  private readonly rows: number;

  constructor(protected override readonly parts: ReinforcementTaskParts) {
    const { data, network } = parts;
    const { config } = parts.config.reinforced;
    super(parts, { ...config, batchSize: config.photosPerBatch * config.samples });
    this.config = config;
    this.epochs = config.epochs;
    this.batchesPerEpoch = Math.ceil(data.photos.length / config.photosPerBatch);
    this.buckets = paddedLengths(config.maxLength);
    this.rowsOfPhoto = config.samples + (config.teacherWeight > 0 ? 1 : 0);
    this.rows = config.photosPerBatch * this.rowsOfPhoto;
    this.reward = new CaptionReward(data.photos, data.vocabulary);
    const stepConfig = { batchSize: this.rows, labelSmoothing: 0, seed: config.seed };
    this.training = new TrainingStep(network.decoder, storedFeatures, this.optimizer, stepConfig);
  }

  plan(epoch: number): (readonly EncodedPhoto[])[] {
    const { photosPerBatch, seed } = this.config;
    const photos = new Random(seed, epoch).shuffle([...this.parts.data.photos]);
    return Array.from({ length: this.batchesPerEpoch }, (_, i) =>
      photos.slice(i * photosPerBatch, (i + 1) * photosPerBatch),
    );
  }

  async step(photos: readonly EncodedPhoto[], step: number): Promise<StepResult> {
    const learningRate = learningRateAt(step, this.epochs * this.batchesPerEpoch, this.config);
    const { samples, teacherWeight, seed, maxLength } = this.config;
    const randomView = new Random(seed, step, 5);
    const rows = new Map(photos.map(({ id }) => [id, this.parts.data.views.draw(id, randomView)]));
    const sampled = await this.sample(photos, rows, new Random(seed, step, 2));
    const rewards = sampled.map(({ photo, targets }) => this.reward.of(photo, targets));
    const random = new Random(seed, step, 3);
    const written = photos.map((photo) => {
      const captions = examplesOf(photo, maxLength);
      return captions[random.integer(captions.length)];
    });
    const examples = teacherWeight > 0 ? [...sampled, ...written] : sampled;
    const weights = [...advantages(rewards, samples), ...written.map(() => teacherWeight * samples)];
    const longest = examples.reduce((most, { targets }) => Math.max(most, targets.length), 1);
    const batch = fillCaptions(
      examples,
      this.buckets.find((bucket) => longest <= bucket)!,
      this.rows,
    );
    batch.weights.forEach((weight, i) => {
      if (weight > 0) batch.weights[i] = weight * weights[i % this.rows];
    });
    const ids = examples.map(({ photo }) => rows.get(photo)!);
    const features = readRows(this.parts.data.features, ids, this.rows); // [B, D]
    const { gradientNorm } = await this.training.learn({ ...batch, features }, step, learningRate);
    const mean = rewards.reduce((sum, reward) => sum + reward, 0) / rewards.length;
    return { loss: -mean, gradientNorm, learningRate, count: rewards.length };
  }

  /** Samples `samples` captions of each photo from the current decoder. @param rows ids of the features that stand for each photo. */
  private async sample(
    photos: readonly EncodedPhoto[],
    rows: ReadonlyMap<string, string>,
    random: Random,
  ): Promise<Example[]> {
    const { data, network } = this.parts;
    const { samples, maxLength, temperature } = this.config;
    const ids = photos.flatMap(({ id }) => Array.from({ length: samples }, () => id));
    const session = await DecoderSession.load(network.graphs, weightsOf(network.decoder.variables));
    try {
      const features = readRows(
        data.features,
        ids.map((id) => rows.get(id)!),
      ); // [P * samples, D]
      const sampled = await sampleCaptions(session, features, ids.length, random, { maxLength, temperature });
      return sampled.map(({ tokens, finished }, i) => ({
        photo: ids[i],
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

/** Lengths that sampled captions and their ends are padded to. Their length is not known in advance; few exceed a dozen words. */
const paddedLengths = (maxLength: number): number[] => [
  ...[12, 16].filter((length) => length <= maxLength),
  maxLength + 1,
];
