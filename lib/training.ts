/** The public API of training: `import … from 'captioner/train'`. Loads TensorFlow.js. */
export {
  compile,
  exportGraph,
  useBackend,
  type BackendName,
  type CompiledStep,
  type ExportedGraph,
} from './backend/index.js';
export { Decoder, type DecoderOptions, type DecoderState, type DropoutMasks } from './model/decoder.js';
export { exportDecoder } from './model/export-decoder.js';
export { describeEncoder, readEncoder, type EncoderSource } from './model/encoder-source.js';
export { exportEncoder } from './model/export-encoder.js';
export { TrainableEncoder, type TrainableEncoderOptions } from './model/trainable-encoder.js';
export * from './train/batches.js';
export { trainCaptioner, type CaptionerTrainingOptions, type TrainingOutcome } from './train/captioner-training.js';
export { distill, type DistillationOptions, type DistillationOutcome } from './train/distillation.js';
export { finetuneCaptioner, type FinetuningOptions } from './train/finetuning.js';
export { reinforceCaptioner, type ReinforcementOptions } from './train/reinforcement.js';
export * from './train/dropout.js';
export { readHistory, type HistoryRecord } from './train/history.js';
export { crossEntropy } from './train/loss.js';
export { Adam, type OptimizerConfig, type OptimizerScalars } from './train/optimizer.js';
export { learningRateAt } from './train/schedule.js';
export { storedFeatures, TrainingStep, trainableVariables, ValidationStep, type PhotoPath } from './train/step.js';
export {
  Trainer,
  type EpochRecord,
  type StepRecord,
  type StepResult,
  type TrainerOptions,
  type TrainerState,
  type TrainingTask,
} from './train/trainer.js';
