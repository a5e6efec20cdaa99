import { CaptionerError } from '../../errors.js';
import { checksumOf } from '../../files/crc32.js';
import { decodeSafetensors, type Weights } from '../../files/safetensors.js';
import { Vocabulary } from '../../text/vocabulary.js';
import { decoderParameters } from '../parameters.js';
import { CheckpointConfig, formatVersion, graphFiles, type Checkpoint } from './checkpoint-config.js';

/** Names of the files of a checkpoint that captioning needs, its encoder apart. */
export const checkpointFiles: readonly string[] = [
  'config.json',
  'vocab.json',
  'decoder.safetensors',
  ...Object.values(graphFiles),
];

/**
 * Reads a checkpoint from the contents of its {@link checkpointFiles}, and checks that its parts fit
 * each other. It does not matter where the files come from: a folder, or a download.
 *
 * @param read the bytes of a file, by name.
 * @param nameOf the name of a file in messages.
 * @throws CaptionerError `corrupt` (a damaged file, another version), `mismatch` (parts that do not
 *   fit), each naming the file and the field; anything that `read` throws.
 */
export function readCheckpoint(read: (name: string) => Uint8Array, nameOf: (name: string) => string): Checkpoint {
  const json = (name: string) => parseJson(read(name), nameOf(name));
  const config = readConfig(json('config.json'), nameOf('config.json'));
  const vocabulary = readVocabulary(json('vocab.json'), config, nameOf('vocab.json'));
  const file = nameOf('decoder.safetensors');
  const { weights, metadata } = decodeSafetensors(read('decoder.safetensors'), file);
  checkWeights(config, weights, file);
  checkFile('vocab.json', read('vocab.json'), metadata, nameOf('vocab.json'));
  const graphs = Object.values(graphFiles).map((name) => [name, read(name)] as const);
  for (const [name, bytes] of graphs) checkFile(name, bytes, metadata, nameOf(name));
  return { config, vocabulary, weights, graphs: new Map(graphs) };
}

function parseJson(bytes: Uint8Array, file: string): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    const { message } = cause as Error;
    throw new CaptionerError('corrupt', `${file} is damaged: it is not JSON (${message}).`, { cause });
  }
}

/** Checks a file against the checksum in the header of the weights; there are none in checkpoints of earlier versions. */
function checkFile(name: string, bytes: Uint8Array, metadata: Readonly<Record<string, string>>, file: string): void {
  const expected = metadata[`crc32:${name}`];
  if (expected === undefined || expected === checksumOf([bytes])) return;
  throw new CaptionerError(
    'corrupt',
    `${file} is damaged, or belongs to another checkpoint: its checksum differs from the one saved with the weights. Copy the ` +
      'whole folder again, or train it again.',
  );
}

function readConfig(json: unknown, file: string): CheckpointConfig {
  const { format, captioner } = (json ?? {}) as { format?: unknown; captioner?: unknown };
  if (typeof format === 'number' && format > formatVersion) {
    throw new CaptionerError(
      'corrupt',
      `${file} has format ${format}, written by captioner ${String(captioner)}. This version reads formats up to ${formatVersion}. Update captioner.`,
    );
  }
  // Compiling the schema takes longer than checking one config without that.
  const result = CheckpointConfig.safeParse(json, { jitless: true });
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => [issue.path.join('.'), issue.message].filter(Boolean).join(': '));
  throw new CaptionerError('corrupt', `${file} is damaged or of another version: ${problems.join('; ')}.`);
}

function readVocabulary(json: unknown, config: CheckpointConfig, file: string): Vocabulary {
  let vocabulary: Vocabulary;
  try {
    vocabulary = Vocabulary.fromJSON(json);
  } catch (cause) {
    throw new CaptionerError('corrupt', `${file}: ${(cause as Error).message}`, { cause });
  }
  if (vocabulary.size !== config.vocabularySize) {
    throw new CaptionerError(
      'mismatch',
      `${file} has ${vocabulary.size} words, but vocabularySize in config.json is ${config.vocabularySize}: they belong to ` +
        'different checkpoints.',
    );
  }
  return vocabulary;
}

function checkWeights(config: CheckpointConfig, weights: Weights, file: string): void {
  const sizes = { featureSize: config.encoder.dimension, vocabularySize: config.vocabularySize };
  const parameters = decoderParameters(config.decoder, sizes);
  const refuse = (what: string) =>
    new CaptionerError(
      'mismatch',
      `${file} does not fit its config.json: ${what}. They belong to different checkpoints.`,
    );
  for (const { name, shape } of parameters) {
    const weight = weights.get(name);
    if (!weight) throw refuse(`'${name}' is missing`);
    if (weight.shape.join() !== shape.join()) {
      throw refuse(`'${name}' has shape [${weight.shape.join(', ')}] instead of [${shape.join(', ')}]`);
    }
  }
  const known = new Set(parameters.map(({ name }) => name));
  const stranger = [...weights.keys()].find((name) => !known.has(name));
  if (stranger !== undefined) throw refuse(`the decoder has no '${stranger}'`);
}
