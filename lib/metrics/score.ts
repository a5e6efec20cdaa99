import { CaptionerError } from '../errors.js';
import { ptbTokenize } from './ptb.js';
import { CaptionScorer, type CaptionScores } from './scorer.js';
import type { CaptionStatistics } from './statistics.js';

/** Scores of a file of predictions. */
export interface ScoredPredictions {
  readonly corpus: CaptionScores;
  /** By `image_id`, in the order of the predictions. */
  readonly images: ReadonlyMap<string, CaptionScores>;
  /** What they are computed from, in the same order: for `bootstrapIntervals`. */
  readonly statistics: CaptionStatistics;
}

/**
 * Scores predictions as the COCO caption evaluation does.
 *
 * @param predictions parsed JSON: `[{"image_id": …, "caption": "…"}]`, one a photo.
 * @param references parsed JSON: COCO's annotations, `{"annotations": [{"image_id": …, "caption": "…"}]}`, or
 *   `{image_id: ["…", …]}`. Numbers and strings name the same photo: 9 is "9".
 * @param onlyPredicted leave photos without a prediction out, as the COCO evaluation does, where it is an error otherwise.
 * @throws CaptionerError `bad-input`: not these formats, nothing to score, a photo predicted twice; `mismatch`: photos with a prediction
 *   but no reference, or the other way round.
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
    throw new CaptionerError('mismatch', `The references have no caption of ${namePhotos(unreferenced)}.`);
  }
  const unpredicted = [...referenced.keys()].filter((id) => !predicted.has(id));
  if (unpredicted.length && !onlyPredicted) {
    throw new CaptionerError(
      'mismatch',
      `The predictions have no caption of ${namePhotos(unpredicted)}, and a score of a part does not compare: predict them, or leave them out on purpose (--only-predicted).`,
    );
  }
  const ids = [...predicted.keys()];
  const scorer = new CaptionScorer(ids.map((id) => referenced.get(id)!.map(ptbTokenize)));
  const statistics = scorer.statistics(ids.map((id) => ptbTokenize(predicted.get(id)!)));
  const images = new Map(ids.map((id, i) => [id, statistics.corpus([i])]));
  return { corpus: statistics.corpus(), images, statistics };
}

/**
 * Captions by photo.
 * @param json `[{"image_id": …, "caption": "…"}]`, one a photo.
 * @param source what they are called in messages.
 * @throws CaptionerError `bad-input`
 */
export function readPredictions(json: unknown, source = 'The predictions'): Map<string, string> {
  if (!Array.isArray(json)) throw bad(`${source} must be a list, [{"image_id": …, "caption": "…"}, …].`);
  const predictions = new Map<string, string>();
  json.forEach((entry, i) => {
    const { id, caption } = readCaption(entry, `Prediction ${i + 1}`);
    if (predictions.has(id)) throw bad(`There are two predictions for ${id}: leave the best one.`);
    predictions.set(id, caption);
  });
  if (!predictions.size) throw bad('There are no predictions to score.');
  return predictions;
}

/**
 * Captions that people wrote, by photo; those without any word are left out.
 * @param json COCO's annotations, or `{image_id: ["…", …]}`.
 * @throws CaptionerError `bad-input`, also where a photo has none.
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
  if (empty.length) throw bad(`The references have no caption with a word in it of ${namePhotos(empty)}.`);
  if (!references.size) throw bad('There are no references to score against.');
  return references;
}

function readCaption(entry: unknown, where: string): { id: string; caption: string } {
  const { image_id: id, caption }: Record<string, unknown> = isObject(entry) ? entry : {};
  if (typeof id !== 'string' && typeof id !== 'number') throw bad(`${where} has no "image_id", a text or a number.`);
  if (typeof caption !== 'string') throw bad(`${where}, of ${id}, has no "caption", a text.`);
  return { id: String(id), caption };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function bad(message: string): CaptionerError {
  return new CaptionerError('bad-input', message);
}

/** "3 photos (a, b, c)", the first few by name. */
export function namePhotos(ids: readonly string[]): string {
  const named = ids.slice(0, 5).join(', ') + (ids.length > 5 ? ', …' : '');
  return `${ids.length} ${ids.length === 1 ? 'photo' : 'photos'} (${named})`;
}
