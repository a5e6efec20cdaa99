/** The public API of training: `import … from 'captioner/train'`. Loads TensorFlow.js. */
export {
  compile,
  exportGraph,
  useBackend,
  type BackendName,
  type CompiledStep,
  type ExportedGraph,
  type StepHooks,
} from './backend/index.js';
export { Decoder, type DecoderOptions, type DecoderState, type DropoutMasks } from './model/decoder/decoder.js';
export { weightsOf } from './model/variables.js';
export { DecoderSession } from './search/decoder-session.js';
export { exportDecoder } from './model/decoder/export-decoder.js';
export { describeEncoder, readEncoder, type EncoderSource } from './model/encoder/encoder-source.js';
export { exportEncoder } from './model/encoder/export-encoder.js';
export { TrainableEncoder, type TrainableEncoderOptions } from './model/encoder/trainable-encoder.js';
export * from './train/batches/batches.js';
export { trainCaptioner, type CaptionerTrainingOptions } from './train/decoder/captioner-training.js';
export type { TrainingOutcome } from './train/loop/training-run.js';
export { distill, type DistillationOptions, type DistillationOutcome } from './train/distill/distillation.js';
export { finetuneCaptioner, type FinetuningOptions } from './train/finetune/finetuning.js';
export { reinforceCaptioner, type ReinforcementOptions } from './train/reinforce/reinforcement.js';
export { sweep, type SweepOptions, type SweepRun } from './train/sweep/sweep.js';
export type { SweepBase } from './train/sweep/sweep-plan.js';
export {
  meansOverSeeds,
  readSweep,
  type SweepMean,
  type SweepRow,
  type SweepStatus,
} from './train/sweep/sweep-rows.js';
export type { SweepPoint, SweepRange, SweepSpace } from './train/sweep/space.js';
export * from './train/decoder/dropout.js';
export { readHistory, type HistoryRecord } from './train/loop/history.js';
export { crossEntropy } from './train/decoder/loss.js';
export { Adam, type OptimizerConfig, type OptimizerScalars } from './train/loop/optimizer.js';
export { trainableVariables } from './train/loop/scalar-step.js';
export { learningRateAt } from './train/loop/schedule.js';
export { storedFeatures, TrainingStep, ValidationStep, type PhotoPath } from './train/decoder/training-step.js';
export {
  Trainer,
  type EpochRecord,
  type SampleRecord,
  type StepRecord,
  type StepResult,
  type TrainerOptions,
  type TrainerState,
  type TrainingTask,
} from './train/loop/trainer.js';
