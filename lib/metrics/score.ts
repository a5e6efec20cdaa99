import { CaptionerError } from '../errors.js';
import { captionRows, isObject, photoFinder } from './caption-lists.js';
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
 * @param predictions parsed JSON: `[{"image_id": …, "caption": "…"}]`, one a photo; `{id: caption}`; what `captioner caption --json` and `--jsonl` write, of which
 *   the first caption counts; or a list of captions in the order of the references.
 * @param references parsed JSON: COCO's annotations, `{"annotations": [{"image_id": …, "caption": "…"}]}`; `{image_id: ["…", …]}`; such rows as a list; or lists of captions
 *   in the order of the predictions. Numbers and strings name the same photo: 9 is "9"; a file is known by its path, its name and the number in COCO's names.
 * @param onlyPredicted leave out photos without a prediction, as the COCO evaluation does. By default they are an error.
 * @throws CaptionerError `bad-input`: not these formats, nothing to score, a photo predicted twice; `mismatch`: photos with a prediction
 *   but no reference, or the other way round.
 */
export function scorePredictions(
  predictions: unknown,
  references: unknown,
  { onlyPredicted = false }: { onlyPredicted?: boolean } = {},
): ScoredPredictions {
  const inOrder = isTexts(predictions) && Array.isArray(references) && references.length > 0;
  const referenced = readReferences(inOrder ? numbered(references) : references);
  const predicted = byReference(readPredictions(inOrder ? numbered(predictions) : predictions), referenced);
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

/** Predictions under the names that the references have for their photos. */
function byReference(predicted: Map<string, string>, referenced: ReadonlyMap<string, unknown>): Map<string, string> {
  const find = photoFinder(referenced.keys());
  const renamed = new Map([...predicted].map(([id, caption]) => [find(id) ?? id, caption]));
  return renamed.size === predicted.size ? renamed : predicted;
}

const isTexts = (json: unknown): json is string[] =>
  Array.isArray(json) && json.length > 0 && json.every((text) => typeof text === 'string');

/** A list as an object whose keys are places. */
const numbered = (list: readonly unknown[]) =>
  Object.fromEntries(list.map((captions, i) => [`photo ${i + 1}`, captions]));

/**
 * Reads predicted captions by photo.
 * @param json what `scorePredictions` takes, lists in the order of the references excepted. Photos that could not be captioned are left out.
 * @param source name for error messages.
 * @throws CaptionerError `bad-input`
 */
export function readPredictions(json: unknown, source = 'The predictions'): Map<string, string> {
  const rows = captionRows(json);
  if (!rows) throw bad(`${source} must be a list, [{"image_id": …, "caption": "…"}, …], or {id: caption}.`);
  const predictions = new Map<string, string>();
  rows.forEach(({ id, captions, failed }, i) => {
    if (failed) return;
    if (id === undefined) throw bad(`Prediction ${i + 1} has no "image_id" (a string or a number).`);
    if (!captions) throw bad(`Prediction ${i + 1}, of ${id}, has no "caption" (a string).`);
    if (predictions.has(id)) throw bad(`There are two predictions for ${id}. Keep only one.`);
    predictions.set(id, captions[0] ?? '');
  });
  if (!predictions.size) throw bad('There are no predictions to score.');
  return predictions;
}

/**
 * Reads reference captions by photo. Captions without a word are left out.
 * @param json COCO's annotations, `{image_id: ["…", …]}`, or rows of them, as `[{"file", "captions"}]`.
 * @throws CaptionerError `bad-input`, also for a photo without captions.
 */
export function readReferences(json: unknown): Map<string, string[]> {
  const references = new Map<string, string[]>();
  const add = (id: string, caption: string) => {
    const captions = references.get(id) ?? [];
    if (ptbTokenize(caption).length) captions.push(caption);
    references.set(id, captions);
  };
  const rows = Array.isArray(json) && json.length > 0 && json.every(isObject) ? captionRows(json) : undefined;
  if (!isObject(json) && !rows) {
    throw bad('The references must be an object: COCO\'s {"annotations": […]}, or {image_id: ["…", …]}.');
  }
  const annotations = isObject(json) ? json.annotations : undefined;
  const listed = Array.isArray(annotations) && annotations.every(isObject) ? captionRows(annotations) : rows;
  if (listed) {
    listed.forEach(({ id, captions }, i) => {
      const where = `Annotation ${i + 1} of the references`;
      if (id === undefined) throw bad(`${where} has no "image_id" (a string or a number).`);
      if (!captions) throw bad(`${where}, of ${id}, has no "caption" (a string).`);
      for (const caption of captions) add(id, caption);
    });
  } else {
    for (const [id, captions] of Object.entries(json as object)) {
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

function bad(message: string): CaptionerError {
  return new CaptionerError('bad-input', message);
}

/** A count with the first few names: "3 photos (a, b, c)". */
export function namePhotos(ids: readonly string[]): string {
  const named = ids.slice(0, 5).join(', ') + (ids.length > 5 ? ', …' : '');
  return `${ids.length} ${ids.length === 1 ? 'photo' : 'photos'} (${named})`;
}
