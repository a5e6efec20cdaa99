import * as z from 'zod';
import {
  DecoderConfig,
  FinetuneConfig,
  ReinforcementConfig,
  savedConfig,
  TrainingConfig,
  VocabularyConfig,
} from '../../config.js';
import { EncoderIdentity } from '../../data/features/encoder-identity.js';
import type { Weights } from '../../files/safetensors.js';
import type { Vocabulary } from '../../text/vocabulary.js';

/** The version of the checkpoint format that this library writes and reads. */
export const formatVersion = 1;

const Encoder = z.strictObject(EncoderIdentity.shape);
const Dataset = z.strictObject({
  name: z.string(),
  photos: z.int(),
  captions: z.int(),
  devPhotos: z.int(),
  /** Random views of the photos that it could learn from; left out where there were none. */
  randomViews: z.int().optional(),
});
const Trained = z.strictObject({ epochs: z.int(), steps: z.int() });
const Scores = z.record(z.string(), z.number());

/** The confidence of a captioner in its captions, calibrated on photos that it was not trained on. */
export const ConfidenceCalibration = z.strictObject({
  /** A caption is good when its CIDEr-D is at least this. */
  threshold: z.number().min(0),
  /** Logistic regression on the mean ln p of a caption's words, the least of them, and ln of their number. */
  weights: z.strictObject({ mean: z.number(), least: z.number(), length: z.number(), bias: z.number() }),
  /** The photos of the fit, the share of good captions, and the area under the ROC curve among them. */
  fit: z.strictObject({ dataset: z.string(), split: z.string(), photos: z.int(), good: z.number(), auc: z.number() }),
});
export type ConfidenceCalibration = z.output<typeof ConfidenceCalibration>;

/** `config.json` of a checkpoint: everything needed to use its weights, and their origin. */
export const CheckpointConfig = z.strictObject({
  format: z.literal(formatVersion),
  /** Version of the library that wrote it. */
  captioner: z.string(),
  /** The CNN that the features come from, and which views of a photo they are the mean of. */
  encoder: Encoder,
  /** Checksum of the encoder's file before its weights were stored in fewer bits, if they were: the decoder was trained on its features. */
  trainedOn: z.string().optional(),
  decoder: DecoderConfig,
  vocabulary: VocabularyConfig,
  vocabularySize: z.int().min(4),
  training: savedConfig(TrainingConfig),
  /** The data it was trained on. */
  dataset: Dataset,
  /** The extent of the training. */
  trained: Trained,
  /** The trained captioner that its training started from, if any: its encoder, epochs and data set. */
  from: z.strictObject({ encoder: Encoder, trained: Trained, datasets: z.array(Dataset).min(1) }).optional(),
  /** Scores on the dev photos, as fractions (CIDEr: unscaled). */
  scores: Scores,
  /** Where encoder and decoder were trained together afterwards: how, how far, on what, and which encoder it began with. */
  finetuned: z
    .strictObject({ config: savedConfig(FinetuneConfig), trained: Trained, dataset: Dataset, from: Encoder })
    .optional(),
  /** Training on the scores of the decoder's own captions, if any: hyperparameters, epochs and data set. */
  reinforced: z
    .strictObject({ config: savedConfig(ReinforcementConfig), trained: Trained, dataset: Dataset })
    .optional(),
  /** Options of the search that were chosen for this captioner on dev: the defaults of its searches. */
  search: z.strictObject({ repeatWords: z.boolean().optional() }).optional(),
  /** Calibration of its captions' confidence, if any. */
  confidence: ConfidenceCalibration.optional(),
  /** Checksum of the encoder's file in 8 bits, if any. */
  int8Encoder: z.strictObject({ sha256: z.string() }).optional(),
});
export type CheckpointConfig = z.output<typeof CheckpointConfig>;

/** The data of the last phase of its training. */
export const lastDataset = ({ dataset, finetuned, reinforced }: CheckpointConfig) =>
  (reinforced ?? finetuned)?.dataset ?? dataset;

/** The data of all phases of its training, each data set once, in their order. */
export function allDatasets({ from, dataset, finetuned, reinforced }: CheckpointConfig) {
  const phases = [...(from?.datasets ?? []), dataset, finetuned?.dataset, reinforced?.dataset];
  const datasets = phases.filter((phase) => phase !== undefined);
  return datasets.filter(({ name }, i) => datasets.findIndex((other) => other.name === name) === i);
}

/** A trained decoder with all that captioning needs, the encoder apart. */
export interface Checkpoint {
  readonly config: CheckpointConfig;
  readonly vocabulary: Vocabulary;
  /** The decoder's arrays by name. */
  readonly weights: Weights;
  /** ONNX files of the decoder without weights, by file name: see `exportDecoder`. */
  readonly graphs: ReadonlyMap<string, Uint8Array>;
}

/** Names of the ONNX files in a checkpoint. */
export const graphFiles = { start: 'decoder-start.onnx', step: 'decoder.onnx' } as const;

/** Name of the encoder's file in a checkpoint that includes it. */
export const encoderFileName = 'encoder.onnx';

/** Name of the encoder's file in 8 bits in a checkpoint that has one. */
export const int8EncoderFileName = 'encoder.int8.onnx';

/** Name of the file of an encoder's fine-tuned layers in a checkpoint whose other layers are those of a registered encoder. */
export const tunedLayersFileName = 'encoder-layers.safetensors';
