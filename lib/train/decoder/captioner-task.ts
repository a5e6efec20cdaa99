import { batchesPerEpoch, planEpoch, readBatch, type Batch, type BatchPlan } from '../batches/batches.js';
import { Random } from '../../random.js';
import { DecoderTask, type DecoderTaskParts } from './decoder-task.js';
import { ScheduledSampling } from './scheduled-sampling.js';
import { learningRateAt } from '../loop/schedule.js';
import { storedFeatures, TrainingStep } from './training-step.js';
import type { StepResult, TrainerState } from '../loop/trainer.js';

/** Learning to caption photos from people's captions of them, with teacher forcing. */
export class CaptionerTask extends DecoderTask<BatchPlan> {
  readonly unit = 'tokens';
  readonly epochs: number;
  readonly batchesPerEpoch: number;
  private readonly training: TrainingStep<Batch>;
  private readonly sampling: ScheduledSampling;

  constructor(parts: DecoderTaskParts) {
    const { config, decoder, photos } = parts;
    super(parts, config.training);
    this.epochs = config.training.epochs;
    this.batchesPerEpoch = batchesPerEpoch(photos, config.training);
    this.training = new TrainingStep(decoder, storedFeatures, this.optimizer, config.training);
    this.sampling = new ScheduledSampling(decoder);
  }

  plan(epoch: number): BatchPlan[] {
    const { photos, views, buckets, config } = this.parts;
    return views.drawAll(planEpoch(photos, buckets, epoch, config.training), epoch, config.training);
  }

  async step(plan: BatchPlan, step: number): Promise<StepResult> {
    const { features, config } = this.parts;
    const { batchSize, scheduledSampling, seed } = config.training;
    const steps = this.epochs * this.batchesPerEpoch;
    const learningRate = learningRateAt(step, steps, config.training);
    const share = (scheduledSampling * step) / steps;
    const batch = await this.sampling.mix(readBatch(plan, features, batchSize), share, new Random(seed, step, 4));
    return { ...(await this.training.learn(batch, step, learningRate)), learningRate, count: batch.words };
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
