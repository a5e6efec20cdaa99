import { Random } from '../../random.js';
import {
  batchesPerEpoch,
  bucketCount,
  bucketLengths,
  examplesOf,
  planEpoch,
  readBatch,
  type Batch,
  type BatchPlan,
} from '../batches/batches.js';
import { learningRateAt } from '../loop/schedule.js';
import type { StepResult, TrainerState } from '../loop/trainer.js';
import { DecoderTask, type DecoderTaskParts } from './decoder-task.js';
import { goalOf } from './goal.js';
import { ScheduledSampling } from './scheduled-sampling.js';
import { storedFeatures, TrainingStep } from './training-step.js';

/** Learning to caption photos from people's captions, with teacher forcing. */
export class CaptionerTask extends DecoderTask<BatchPlan> {
  readonly unit = 'tokens';
  readonly epochs: number;
  readonly batchesPerEpoch: number;
  /** Lengths that captions are padded to. */
  private readonly buckets: readonly number[];
  /** Captions of a batch: the buffers of a step have a row for each, so no more than there are. */
  private readonly rows: number;
  private readonly training: TrainingStep<Batch>;
  private readonly sampling: ScheduledSampling;

  constructor(parts: DecoderTaskParts) {
    const { config, data, network } = parts;
    const { training } = config;
    const examples = data.photos.flatMap((photo) => examplesOf(photo, training.maxLength));
    const rows = Math.min(training.batchSize, examples.length);
    super(parts, { ...training, batchSize: rows });
    this.rows = rows;
    this.epochs = training.epochs;
    this.batchesPerEpoch = batchesPerEpoch(data.photos, training);
    const lengths = examples.map(({ targets }) => targets.length);
    this.buckets = bucketLengths(lengths, bucketCount(this.batchesPerEpoch));
    this.training = new TrainingStep(network.decoder, storedFeatures, this.optimizer, { ...training, batchSize: rows });
    this.sampling = new ScheduledSampling(network.decoder);
  }

  plan(epoch: number): BatchPlan[] {
    const { data, config } = this.parts;
    const plans = planEpoch(data.photos, this.buckets, epoch, config.training);
    return data.views.drawAll(plans, epoch, config.training);
  }

  async step(plan: BatchPlan, step: number): Promise<StepResult> {
    const { data, config } = this.parts;
    const { scheduledSampling, seed } = config.training;
    const steps = this.epochs * this.batchesPerEpoch;
    const learningRate = learningRateAt(step, steps, config.training);
    const share = (scheduledSampling * step) / steps;
    const read = readBatch(plan, data.features, this.rows);
    const batch = await this.sampling.mix(read, share, new Random(seed, step, 4));
    return { ...(await this.training.learn(batch, step, learningRate)), learningRate, count: batch.words };
  }

  /** CIDEr or minus the loss on the dev photos, as `chooseBy` says. */
  override goal(scores: Readonly<Record<string, number>>, loss: number): number {
    return goalOf({ scores, loss }, this.parts.config.training.chooseBy);
  }

  protected trained({ epoch: epochs, step: steps }: TrainerState) {
    return { trained: { epochs, steps } };
  }

  override dispose(): void {
    this.training.dispose();
    this.sampling.dispose();
    super.dispose();
  }
}
