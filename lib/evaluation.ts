import { parseConfig, SearchConfig } from './config.js';
import type { FeatureStore } from './data/features.js';
import type { Manifest, Split } from './data/manifest.js';
import { DecoderSession } from './decode/decoder-session.js';
import { CaptionerError } from './errors.js';
import { predictCaptions, type Prediction } from './metrics/predictions.js';
import { ptbTokenize } from './metrics/ptb.js';
import { CaptionScorer, type CaptionScores } from './metrics/scorer.js';
import { checkEncoder, type Checkpoint } from './model/checkpoint.js';
import { silent, type ProgressReporter } from './progress.js';

export interface EvaluationRequest {
  readonly checkpoint: Checkpoint;
  readonly manifest: Manifest;
  /** Of the manifest's photos, by the encoder that the checkpoint was trained with. */
  readonly features: FeatureStore;
  readonly split: Split;
  /** Widths of the beam, each evaluated. */
  readonly beams: readonly number[];
  readonly search?: Partial<Omit<SearchConfig, 'beam' | 'n'>>;
  readonly progress?: ProgressReporter;
  readonly signal?: AbortSignal;
}

/** Captions of a split's photos that one search found, and their scores. */
export interface Evaluation {
  readonly beam: number;
  readonly scores: CaptionScores;
  readonly predictions: readonly Prediction[];
  /** How many of the captions differ from each other. */
  readonly distinct: number;
  /** Mean words of a caption. */
  readonly words: number;
}

/**
 * Captions the photos of a split from their stored features and scores the captions against people's: BLEU, ROUGE-L, CIDEr-D. Photos
 * without features (they could not be decoded) are left out.
 *
 * @throws CaptionerError `mismatch`: features of another encoder or of other photos; `bad-input`: no photo to evaluate on.
 */
export async function evaluateCaptioner(request: EvaluationRequest): Promise<Evaluation[]> {
  const { checkpoint, manifest, features, split, beams, search, progress = silent, signal } = request;
  checkEncoder(checkpoint.config, features.encoder, 'The features');
  const searches = beams.map((beam) => parseConfig(SearchConfig, { ...search, beam, n: 1 }, 'the search'));
  const captioned = manifest.photos
    .map(({ id, split, captions }) => ({ id, split, references: captions.map(ptbTokenize).filter((c) => c.length) }))
    .filter((photo) => photo.split === split && photo.references.length > 0);
  const photos = captioned.filter(({ id }) => features.has(id));
  if (photos.length === 0) {
    throw captioned.length > 0
      ? new CaptionerError(
          'mismatch',
          `The features have none of the ${split} photos of ${manifest.name}. Extract them.`,
        )
      : new CaptionerError('bad-input', `The data set ${manifest.name} has no ${split} photos with captions.`);
  }
  const scorer = new CaptionScorer(photos.map(({ references }) => references));
  const ids = photos.map(({ id }) => id);
  const decoder = await DecoderSession.load(checkpoint.graphs, checkpoint.weights);
  const evaluations: Evaluation[] = [];
  progress.start(`Captioning ${split} photos`, beams.length * ids.length, 'photos');
  try {
    for (const config of searches) {
      const before = evaluations.length * ids.length;
      const onProgress = (done: number) => {
        progress.update(before + done, `beam ${config.beam}`);
      };
      const options = { onProgress, signal };
      const predictions = await predictCaptions(decoder, checkpoint.vocabulary, features, ids, config, options);
      const candidates = predictions.map(({ caption }) => ptbTokenize(caption));
      evaluations.push({
        beam: config.beam,
        scores: scorer.score(candidates).corpus,
        predictions,
        distinct: new Set(predictions.map(({ caption }) => caption)).size,
        words: candidates.reduce((sum, { length }) => sum + length, 0) / candidates.length,
      });
    }
    return evaluations;
  } finally {
    progress.stop();
    await decoder.release();
  }
}
