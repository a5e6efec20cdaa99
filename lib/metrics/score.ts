import { CaptionerError } from '../errors.js';
import { ptbTokenize } from './ptb.js';
import { CaptionScorer, type CaptionScores } from './scorer.js';
import type { CaptionStatistics } from './statistics.js';

/** Scores of a file of predictions. */
export interface ScoredPredictions {
  readonly corpus: CaptionScores;
  /** By `image_id`, in the order of the predictions. */
  readonly images: ReadonlyMap<string, CaptionScores>;
  /** The statistics behind the scores, in the same order, for `bootstrapIntervals`. */
  readonly statistics: CaptionStatistics;
}

/**
 * Scores predictions as the COCO caption evaluation does.
 *
 * @param predictions parsed JSON: `[{"image_id": …, "caption": "…"}]`, one per photo.
 * @param references parsed JSON: COCO annotations,
 * `{"annotations": [{"image_id": …, "caption": "…"}]}`, or `{image_id: ["…", …]}`. Numbers and
 * strings name the same photo: 9 is "9".
 * @param onlyPredicted leave out photos without a prediction, as the COCO evaluation does. By
 * default they are an error.
 * @throws CaptionerError `bad-input` for another format, nothing to score, or a photo predicted
 * twice; `mismatch` for photos with a prediction but no reference, or the reverse.
 */
export function scorePredictions(
  predictions: unknown,
  references: unknown,
  { onlyPredicted = false }: { onlyPredicted?: boolean } = {},
): ScoredPredictions {
  const predicted = readPredictions(predictions);
  const referenced = readReferences(references);
  const unreferenced = [...predicted.keys()].filter((id) => !referenced.has(id));
  if (unreferenced.length) {
    throw new CaptionerError('mismatch', `The references have no caption for ${namePhotos(unreferenced)}.`);
  }
  const unpredicted = [...referenced.keys()].filter((id) => !predicted.has(id));
  if (unpredicted.length && !onlyPredicted) {
    throw new CaptionerError(
      'mismatch',
      `The predictions have no caption for ${namePhotos(unpredicted)}. Scores of a subset are not comparable: add the missing captions, or pass --only-predicted to leave these photos out.`,
    );
  }
  const ids = [...predicted.keys()];
  const scorer = new CaptionScorer(ids.map((id) => referenced.get(id)!.map(ptbTokenize)));
  const statistics = scorer.statistics(ids.map((id) => ptbTokenize(predicted.get(id)!)));
  const images = new Map(ids.map((id, i) => [id, statistics.corpus([i])]));
  return { corpus: statistics.corpus(), images, statistics };
}

/**
 * Reads predicted captions by photo.
 * @param json `[{"image_id": …, "caption": "…"}]`, one per photo.
 * @param source name for error messages.
 * @throws CaptionerError `bad-input`
 */
export function readPredictions(json: unknown, source = 'The predictions'): Map<string, string> {
  if (!Array.isArray(json)) throw bad(`${source} must be a list, [{"image_id": …, "caption": "…"}, …].`);
  const predictions = new Map<string, string>();
  json.forEach((entry, i) => {
    const { id, caption } = readCaption(entry, `Prediction ${i + 1}`);
    if (predictions.has(id)) throw bad(`There are two predictions for ${id}. Keep only one.`);
    predictions.set(id, caption);
  });
  if (!predictions.size) throw bad('There are no predictions to score.');
  return predictions;
}

/**
 * Reads reference captions by photo. Captions without a word are left out.
 * @param json COCO annotations, or `{image_id: ["…", …]}`.
 * @throws CaptionerError `bad-input`, also for a photo without captions.
 */
export function readReferences(json: unknown): Map<string, string[]> {
  const references = new Map<string, string[]>();
  const add = (id: string, caption: string) => {
    const captions = references.get(id) ?? [];
    if (ptbTokenize(caption).length) captions.push(caption);
    references.set(id, captions);
  };
  if (!isObject(json)) {
    throw bad('The references must be an object: COCO\'s {"annotations": […]}, or {image_id: ["…", …]}.');
  }
  if (Array.isArray(json.annotations) && json.annotations.every(isObject)) {
    json.annotations.forEach((entry, i) => {
      const { id, caption } = readCaption(entry, `Annotation ${i + 1} of the references`);
      add(id, caption);
    });
  } else {
    for (const [id, captions] of Object.entries(json)) {
      if (!Array.isArray(captions) || !captions.every((caption) => typeof caption === 'string')) {
        throw bad(`The references of ${id} must be a list of captions, ["…", …].`);
      }
      references.set(id, []);
      for (const caption of captions) add(id, caption);
    }
  }
  const empty = [...references].filter(([, captions]) => !captions.length).map(([id]) => id);
  if (empty.length) throw bad(`The references have no caption with words for ${namePhotos(empty)}.`);
  if (!references.size) throw bad('There are no references to score against.');
  return references;
}

function readCaption(entry: unknown, where: string): { id: string; caption: string } {
  const { image_id: id, caption }: Record<string, unknown> = isObject(entry) ? entry : {};
  if (typeof id !== 'string' && typeof id !== 'number') throw bad(`${where} has no "image_id" (a string or a number).`);
  if (typeof caption !== 'string') throw bad(`${where}, of ${id}, has no "caption" (a string).`);
  return { id: String(id), caption };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function bad(message: string): CaptionerError {
  return new CaptionerError('bad-input', message);
}

/** A count with the first few names: "3 photos (a, b, c)". */
export function namePhotos(ids: readonly string[]): string {
  const named = ids.slice(0, 5).join(', ') + (ids.length > 5 ? ', …' : '');
  return `${ids.length} ${ids.length === 1 ? 'photo' : 'photos'} (${named})`;
}
