import type { Caption, CaptionModel } from './caption-model.js';
import type { Captioner } from './captioner.js';
import type { SearchConfig } from '../config.js';
import { alternatives } from '../search/alternatives.js';
import { tracedSearch } from '../search/search.js';
import type { TracedCandidate } from '../search/observer.js';
import { occlusion, type OcclusionMap, type OcclusionOptions, type PhotoFeatures } from './occlusion.js';

/** Options of {@link explainPhoto}. */
export interface ExplainOptions extends OcclusionOptions {
  /** Deadline on the clock of `performance.now()`. Default: none. */
  readonly deadline?: number;
  /** Words to give for each place of the caption. Default 5. */
  readonly alternatives?: number;
}

/** A word and its probability given those before it, in [0, 1]. */
export interface ProbableWord {
  readonly word: string;
  readonly probability: number;
}

/** The explanation of a caption. */
export interface Explanation {
  /** The likeliest first. The rest of the explanation is about the first. */
  readonly captions: readonly Caption[];
  /** Each word of the caption and, last, its `<end>`, with the likeliest words for its place. */
  readonly words: readonly (ProbableWord & { readonly alternatives: readonly ProbableWord[] })[];
  /** The hypotheses of the search, step by step: see `SearchTrace`. */
  readonly search: readonly (readonly (Omit<TracedCandidate, 'token' | 'logProbability'> & ProbableWord)[])[];
  /** Which part of the photo each of `words` comes from. */
  readonly occlusion: OcclusionMap;
}

/**
 * Captions a photo and explains the result: the alternatives to each word, the hypotheses that the
 * search kept and dropped, and the part of the photo that each word comes from.
 *
 * @param photo path of a file, or the bytes of a file.
 * @throws CaptionerError as `decodePhoto`, `Captioner.ready` and `occlusion` do; `timeout` at the
 *   deadline.
 */
export async function explainPhoto(
  captioner: Captioner,
  photo: string | Uint8Array,
  search: Partial<SearchConfig> = {},
  options: ExplainOptions = {},
): Promise<Explanation> {
  captioner.check(search);
  const encoder = await captioner.ready();
  return await explainPixels(captioner, encoder, await captioner.decode(photo, options.deadline), search, options);
}

/**
 * {@link explainPhoto} for a decoded photo.
 * @param pixels RGB bytes, [S, S, 3], of the encoder's size.
 * @throws CaptionerError as `occlusion` does; `bad-option`; `timeout` at the deadline.
 */
export async function explainPixels(
  captioner: CaptionModel,
  encoder: PhotoFeatures,
  pixels: Uint8Array,
  search: Partial<SearchConfig> = {},
  options: ExplainOptions = {},
): Promise<Explanation> {
  const { vocabulary } = captioner.checkpoint;
  const features = await encoder.features([pixels]);
  const config = captioner.resolve(search);
  const [{ captions, trace }] = await tracedSearch(captioner.decoder, vocabulary, features, 1, config, options);
  const { tokens } = captions[0];
  const [words] = await alternatives(captioner.decoder, features, [tokens], options.alternatives ?? 5);
  const inWords = ({ token, logProbability }: { token: number; logProbability: number }) => ({
    word: vocabulary.words[token],
    probability: Math.exp(logProbability),
  });
  return {
    captions: captions.map((caption) => captioner.describe(caption)),
    words: words.map((word) => ({ ...inWords(word), alternatives: word.alternatives.map(inWords) })),
    search: trace.map((step) =>
      step.map(({ token, logProbability, ...rest }) => ({ ...rest, ...inWords({ token, logProbability }) })),
    ),
    occlusion: await occlusion(encoder, captioner.decoder, pixels, tokens, options),
  };
}
