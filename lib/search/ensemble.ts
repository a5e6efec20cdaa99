import { differingPreparation } from '../data/features/encoder-identity.js';
import { CaptionerError } from '../errors.js';
import type { Checkpoint } from '../model/checkpoint/checkpoint.js';
import { isSameNetwork } from '../model/encoder/registry.js';
import { DecoderSession, type DecoderSessionOptions } from './decoder-session.js';
import type { CaptionDecoder, Stepper } from './stepper.js';

/**
 * Several decoders as one. They read the same words, and the probability of a word is the mean over
 * the members. Averaging lowers words that only one member is sure of, and usually gives better
 * captions than any single member.
 */
export class DecoderEnsemble<State> implements Stepper<readonly State[]> {
  readonly vocabularySize: number;

  /**
   * @param members decoders with the same vocabulary, for features of the same encoder.
   * @throws CaptionerError `mismatch` if their vocabularies differ in size; `bad-input` if there
   * are none.
   */
  constructor(private readonly members: readonly (Stepper<State> & { release?(): Promise<void> })[]) {
    if (members.length === 0) throw new CaptionerError('bad-input', 'An ensemble needs at least one decoder.');
    this.vocabularySize = members[0].vocabularySize;
    const other = members.find(({ vocabularySize }) => vocabularySize !== this.vocabularySize);
    if (other) {
      throw new CaptionerError(
        'mismatch',
        `Decoders of ${this.vocabularySize} and ${other.vocabularySize} words can't caption together. Combine checkpoints that share a vocabulary.`,
      );
    }
  }

  async start(features: Float32Array, rows: number): Promise<readonly State[]> {
    return Promise.all(this.members.map((member) => member.start(features, rows)));
  }

  async step(
    states: readonly State[],
    tokens: Int32Array,
  ): Promise<{ logProbabilities: Float32Array; state: readonly State[] }> {
    const next = await Promise.all(this.members.map((member, i) => member.step(states[i], tokens)));
    return {
      logProbabilities: meanOf(next.map(({ logProbabilities }) => logProbabilities)),
      state: next.map(({ state }) => state),
    };
  }

  gather(states: readonly State[], rows: Int32Array): readonly State[] {
    return this.members.map((member, i) => member.gather(states[i], rows));
  }

  dispose(states: readonly State[]): void {
    this.members.forEach((member, i) => member.dispose?.(states[i]));
  }

  /** Frees the memory of all members. */
  async release(): Promise<void> {
    await Promise.all(this.members.map(async (member) => member.release?.()));
  }
}

/** Logarithm of the mean of probabilities that are given as logarithms. */
function meanOf(logs: readonly Float32Array[]): Float32Array {
  const [first, ...others] = logs;
  if (others.length === 0) return first;
  return first.map((log, i) => {
    const greatest = others.reduce((most, other) => Math.max(most, other[i]), log);
    if (!Number.isFinite(greatest)) return greatest;
    const sum = others.reduce((total, other) => total + Math.exp(other[i] - greatest), Math.exp(log - greatest));
    return greatest + Math.log(sum / logs.length);
  });
}

/**
 * Loads the decoder of one checkpoint, or of several as an ensemble.
 * @throws CaptionerError `mismatch` if their vocabularies or encoders differ; `corrupt` as
 * `DecoderSession.load` throws it.
 */
export async function loadDecoder(
  checkpoints: readonly Checkpoint[],
  options: DecoderSessionOptions = {},
): Promise<CaptionDecoder> {
  for (const other of checkpoints.slice(1)) checkCompatible(checkpoints[0], other);
  const sessions = await Promise.all(
    checkpoints.map(({ graphs, weights }) => DecoderSession.load(graphs, weights, options)),
  );
  return sessions.length === 1 ? sessions[0] : new DecoderEnsemble(sessions);
}

/** Refuses checkpoints with different features or vocabularies. */
function checkCompatible(first: Checkpoint, other: Checkpoint): void {
  const [ours, theirs] = [first.config.encoder, other.config.encoder];
  if (!isSameNetwork(ours, theirs)) {
    throw new CaptionerError(
      'mismatch',
      `An ensemble needs one encoder for all its checkpoints: one has '${ours.name}' (sha256 ${ours.sha256.slice(0, 12)}), ` +
        `another '${theirs.name}' (sha256 ${theirs.sha256.slice(0, 12)}).`,
    );
  }
  const prepared = differingPreparation(ours, theirs);
  if (prepared) {
    throw new CaptionerError(
      'mismatch',
      `An ensemble needs features of the same ${prepared.what} of a photo: one checkpoint has '${prepared.a}', another '${prepared.b}'.`,
    );
  }
  const [here, there] = [first.vocabulary.words, other.vocabulary.words];
  const length = Math.max(here.length, there.length);
  for (let id = 0; id < length; id++) {
    if (here[id] === there[id]) continue;
    const [one, another] = [here[id], there[id]].map((word) => (word === undefined ? 'missing' : `'${word}'`));
    throw new CaptionerError(
      'mismatch',
      `An ensemble needs one vocabulary for all its checkpoints: word ${id} is ${one} in one and ${another} in another ` +
        `(of ${here.length} and ${there.length} words). Train them on the same captions with the same vocabulary options.`,
    );
  }
}
