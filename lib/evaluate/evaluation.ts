import { parseConfig, SearchConfig, type InferenceConfig } from '../config.js';
import type { FeatureStore } from '../data/features/store.js';
import type { Manifest, Split } from '../data/datasets/manifest.js';
import { loadDecoder } from '../search/ensemble.js';
import type { CaptionDecoder } from '../search/stepper.js';
import { confidenceOf } from '../search/confidence.js';
import { searchRules } from '../search/search.js';
import { CaptionerError } from '../errors.js';
import { featureDistance, type FeatureDistance } from '../metrics/checks.js';
import { referenceFit, type ReferenceFit } from '../metrics/perplexity.js';
import { predictCaptions, type ConfidentPrediction } from '../metrics/predictions.js';
import { ptbTokenize } from '../metrics/ptb.js';
import { reportCaptions, type CaptionReport, type ReportContext } from '../metrics/report.js';
import { CaptionScorer } from '../metrics/scorer.js';
import { checkEncoder, type Checkpoint } from '../model/checkpoint/checkpoint.js';
import { silent, type ProgressReporter } from '../progress.js';
import { Random } from '../random.js';
import { tokenize } from '../text/tokenizer.js';
import { Vocabulary } from '../text/vocabulary.js';

/** The captioner, photos and searches of an evaluation. */
export interface EvaluationRequest {
  readonly checkpoint: Checkpoint;
  /**
   * More checkpoints with the same vocabulary and encoder, which caption together with it as an
   * ensemble.
   */
  readonly ensemble?: readonly Checkpoint[];
  readonly manifest: Manifest;
  /** Features of the manifest's photos, by the encoder of the checkpoint. */
  readonly features: FeatureStore;
  readonly split: Split;
  /** Beam widths, each evaluated separately. */
  readonly beams: readonly number[];
  readonly search?: Partial<Omit<SearchConfig, 'beam' | 'n'>>;
  readonly precision?: InferenceConfig['precision'];
  /** Seed of the bootstrap and of the control with shuffled features. Default 1. */
  readonly seed?: number;
  readonly progress?: ProgressReporter;
  readonly signal?: AbortSignal;
}

/** Captions of a split's photos from one search, with their scores. */
export interface Evaluation extends CaptionReport {
  readonly beam: number;
  readonly predictions: readonly ConfidentPrediction[];
  /** Perplexity of the references. The same for all searches. */
  readonly fit: ReferenceFit;
  /** Number of distinct captions. */
  readonly distinct: number;
  /** Mean number of words per caption. */
  readonly words: number;
}

/**
 * Captions the photos of a split from stored features and scores them against the references: BLEU,
 * ROUGE-L and CIDEr-D with confidence intervals, perplexity, variety, calibration, and checks for
 * silent failures. Leaves out photos without features, which could not be decoded.
 *
 * @throws CaptionerError `mismatch` for features of another encoder or of other photos, and for
 * captioners that do not go together; `bad-input` if there is no photo to evaluate; `bad-option`
 * for an invalid search.
 */
export async function evaluateCaptioner(request: EvaluationRequest): Promise<Evaluation[]> {
  const {
    checkpoint,
    ensemble = [],
    features,
    split,
    beams,
    search,
    precision,
    seed = 1,
    progress = silent,
    signal,
  } = request;
  checkEncoder(checkpoint.config, features.encoder, 'The features');
  const searches = beams.map((beam) =>
    parseConfig(SearchConfig, { ...checkpoint.config.search, ...search, beam, n: 1 }, 'the search'),
  );
  for (const config of searches) searchRules(config, checkpoint.vocabulary); // fails here, not after the perplexity
  const photos = photosToCaption(request);
  const scorer = new CaptionScorer(photos.map(({ words }) => words));
  const ids = photos.map(({ id }) => id);
  const decoder = await loadDecoder([checkpoint, ...ensemble], { precision });
  try {
    const fit = await fitOfReferences(decoder, photos, request);
    const context = {
      scorer,
      references: photos.map(({ references }) => references),
      vocabularySize: checkpoint.vocabulary.size - Vocabulary.SPECIALS,
      fit,
      ...trainingCaptions(request.manifest),
      ...distanceOfFeatures(ids, request),
      ...confidenceOfCaptions(request),
    };
    const evaluations: Evaluation[] = [];
    progress.start(`Captioning ${split} photos`, beams.length * ids.length, 'photos');
    for (const config of searches) {
      const before = evaluations.length * ids.length;
      const onProgress = (done: number) => {
        progress.update(before + done, `beam ${config.beam}`);
      };
      const options = { onProgress, signal };
      const predictions = await predictCaptions(decoder, checkpoint.vocabulary, features, ids, config, options);
      const report = reportCaptions(predictions, { ...context, random: new Random(seed) });
      evaluations.push({
        ...report,
        beam: config.beam,
        predictions,
        fit,
        distinct: new Set(predictions.map(({ caption }) => caption)).size,
        words: report.diversity.length,
      });
    }
    return evaluations;
  } finally {
    progress.stop();
    await decoder.release();
  }
}

interface PhotoToCaption {
  readonly id: string;
  /** Reference captions with at least one word, unprocessed. */
  readonly references: readonly string[];
  /** The same captions as words. */
  readonly words: readonly (readonly string[])[];
}

function photosToCaption({ manifest, features, split }: EvaluationRequest): PhotoToCaption[] {
  const captioned = manifest.photos
    .filter((photo) => photo.split === split)
    .map(({ id, captions }): PhotoToCaption => {
      const references = captions.filter((caption) => ptbTokenize(caption).length > 0);
      return { id, references, words: references.map(ptbTokenize) };
    })
    .filter(({ references }) => references.length > 0);
  const photos = captioned.filter(({ id }) => features.has(id));
  if (photos.length > 0) return photos;
  throw captioned.length > 0
    ? new CaptionerError(
        'mismatch',
        `The features contain none of the ${split} photos of ${manifest.name}. Extract their features first.`,
      )
    : new CaptionerError(
        'bad-input',
        `The data set ${manifest.name} has no ${split} photos with captions. Choose another split.`,
      );
}

async function fitOfReferences(
  decoder: CaptionDecoder,
  photos: readonly PhotoToCaption[],
  { checkpoint, features, split, progress = silent, signal }: EvaluationRequest,
): Promise<ReferenceFit> {
  const encoded = photos.map(({ id, references }) => ({
    id,
    captions: references
      .map(tokenize)
      .filter((words) => words.length > 0)
      .map((words) => checkpoint.vocabulary.encode(words)),
  }));
  const captions = encoded.reduce((sum, { captions }) => sum + captions.length, 0);
  const { maxLength } = checkpoint.config.training;
  progress.start(`Perplexity of the ${split} captions`, captions, 'captions');
  const onProgress = (done: number) => {
    progress.update(done);
  };
  return referenceFit(decoder, features, encoded, { maxLength, onProgress, signal });
}

/** Captions of the training photos, if the data set has any. */
function trainingCaptions({ photos }: Manifest): { training?: string[][] } {
  const training = photos.filter(({ split }) => split === 'train').flatMap(({ captions }) => captions.map(ptbTokenize));
  return training.length > 0 ? { training } : {};
}

/** The calibration belongs to one captioner; an ensemble has none. */
function confidenceOfCaptions({ checkpoint, ensemble = [] }: EvaluationRequest): Pick<ReportContext, 'confidence'> {
  const calibrated = checkpoint.config.confidence;
  if (!calibrated || ensemble.length > 0) return {};
  const { threshold } = calibrated;
  return { confidence: { threshold, of: (prediction) => confidenceOf(prediction, calibrated) } };
}

function distanceOfFeatures(
  ids: readonly string[],
  { checkpoint, features }: EvaluationRequest,
): { distance?: FeatureDistance } {
  const [mean, std] = ['mean', 'std'].map((name) => checkpoint.weights.get(`features/${name}`)?.data);
  return mean && std ? { distance: featureDistance(features, ids, mean, std) } : {};
}
