import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { CaptionerError } from '../errors.js';
import { readJson, readText } from '../files/text-file.js';
import { compareStatistics, type ScoreComparison } from '../metrics/compare.js';
import { parsePhotoStatistics, statisticsOf, type PhotoStatisticsFile } from '../metrics/photo-statistics.js';
import { ptbTokenize } from '../metrics/ptb.js';
import { namePhotos, readPredictions } from '../metrics/score.js';
import { CaptionScorer } from '../metrics/scorer.js';
import type { CaptionStatistics, ScoreName } from '../metrics/statistics.js';
import { Random } from '../random.js';
import { TestReport } from '../publish/card.js';

/** Captions of photos from a results folder or a file of predictions. */
export interface Results {
  /** The path as given. */
  readonly name: string;
  /** The captioned split, if known. */
  readonly split?: string;
  /** Captions by photo. */
  readonly captions: ReadonlyMap<string, string>;
  /** The statistics behind their scores, if they were stored. */
  readonly statistics?: PhotoStatisticsFile;
}

/**
 * Reads the output of `captioner evaluate --out`, or a file of predictions.
 * @param from a folder, or a file `[{"image_id": …, "caption": "…"}]`.
 * @throws CaptionerError `not-found`, `bad-input` or `corrupt`; `mismatch` for a folder whose files
 * are of different photos.
 */
export function readResults(from: string): Results {
  const isFolder = statSync(from, { throwIfNoEntry: false })?.isDirectory() ?? false;
  const folder = isFolder ? from : path.dirname(from);
  const file = isFolder ? path.join(from, 'predictions.json') : from;
  const captions = readPredictions(readJson(file), file);
  const metrics = path.join(folder, 'metrics.json');
  // Next to a plain file of predictions, a metrics.json may belong to something else.
  const split = existsSync(metrics) ? TestReport.safeParse(readJson(metrics)).data?.split : undefined;
  const kept = path.join(folder, 'photos.json');
  // photos.json belongs to predictions.json only.
  if (path.basename(file) !== 'predictions.json' || !existsSync(kept)) return { name: from, captions, split };
  const statistics = parsePhotoStatistics(readText(kept), kept);
  const ids = statistics.photos.map(({ image_id }) => image_id);
  if (ids.length !== captions.size || ids.some((id) => !captions.has(id))) {
    throw new CaptionerError(
      'mismatch',
      `${kept} and ${file} are of different photos. Run captioner evaluate --out again to write both.`,
    );
  }
  return { name: from, captions, split: statistics.split, statistics };
}

/**
 * Reads the scores that `captioner evaluate --out` wrote into a folder.
 * @throws CaptionerError `not-found`; `bad-input` if its metrics.json is not valid.
 */
export function readTestReport(folder: string): TestReport {
  const file = path.join(folder, 'metrics.json');
  const report = TestReport.safeParse(readJson(file));
  if (report.success) return report.data;
  const [{ path: field, message }] = report.error.issues;
  throw new CaptionerError(
    'bad-input',
    `${file} is not a report of captioner evaluate: ${field.length ? `${field.join('.')}: ` : ''}${message}. Run captioner evaluate --out again to write it.`,
  );
}

/** Two captions of a photo. */
export interface PhotoDifference {
  readonly image_id: string;
  readonly a: { readonly caption: string; readonly CIDEr: number };
  readonly b: { readonly caption: string; readonly CIDEr: number };
  /** CIDEr of b minus CIDEr of a. */
  readonly difference: number;
}

/** Result of {@link compareResults}. */
export interface ResultComparison {
  readonly a: string;
  readonly b: string;
  readonly split?: string;
  readonly scores: Readonly<Record<ScoreName, ScoreComparison>>;
  /** Numbers of photos that only one side has, and that were left out. */
  readonly leftOut: { readonly a: number; readonly b: number };
  /**
   * All compared photos, sorted from the one where b is worst relative to a to the one where it is
   * best.
   */
  readonly photos: readonly PhotoDifference[];
}

/** Options of a comparison of two results. */
export interface CompareOptions {
  /** References by photo. Required if the statistics were not stored or are of different photos. */
  readonly references?: ReadonlyMap<string, readonly string[]>;
  /** Leave out photos that only one side has. By default they are an error. */
  readonly onlyCommon?: boolean;
  /** Default `new Random(1)`. */
  readonly random?: Random;
  /** Default 1,000. */
  readonly resamples?: number;
}

/**
 * Compares the captions of two runs photo by photo: see {@link compareStatistics}.
 * @throws CaptionerError `mismatch` if photos, splits or references differ; `not-found` if there is
 * nothing to score them by.
 */
export function compareResults(a: Results, b: Results, options: CompareOptions = {}): ResultComparison {
  const { onlyCommon = false, random = new Random(1), resamples } = options;
  if (a.split !== undefined && b.split !== undefined && a.split !== b.split) {
    throw new CaptionerError(
      'mismatch',
      `${a.name} covers the ${a.split} photos, and ${b.name} the ${b.split} photos. Evaluate both on the same split.`,
    );
  }
  const ids = [...a.captions.keys()].filter((id) => b.captions.has(id));
  const missing = { a: a.captions.size - ids.length, b: b.captions.size - ids.length };
  if (ids.length === 0) {
    throw new CaptionerError(
      'mismatch',
      `${a.name} and ${b.name} have no photos in common. Evaluate both on the same photos.`,
    );
  }
  if (!onlyCommon && missing.a + missing.b > 0) {
    const only = (one: Results, other: Results) => [...one.captions.keys()].filter((id) => !other.captions.has(id));
    const [first, second] = missing.a > 0 ? [a, b] : [b, a];
    throw new CaptionerError(
      'mismatch',
      `${first.name} has ${namePhotos(only(first, second))} that ${second.name} lacks. Evaluate both on the same photos, or compare the ${ids.length} that both have (--only-common).`,
    );
  }
  const [ofA, ofB] = statisticsOfBoth(a, b, ids, options);
  const photos = ids.map((id, i): PhotoDifference => {
    const [inA, inB] = [ofA, ofB].map((statistics) => statistics.photo(i).cider);
    return {
      image_id: id,
      a: { caption: a.captions.get(id)!, CIDEr: inA },
      b: { caption: b.captions.get(id)!, CIDEr: inB },
      difference: inB - inA,
    };
  });
  return {
    a: a.name,
    b: b.name,
    ...((a.split ?? b.split) !== undefined && { split: a.split ?? b.split }),
    scores: compareStatistics(ofA, ofB, random, { resamples }),
    leftOut: missing,
    photos: photos.sort((x, y) => x.difference - y.difference),
  };
}

function statisticsOfBoth(
  a: Results,
  b: Results,
  ids: readonly string[],
  { references }: CompareOptions,
): [CaptionStatistics, CaptionStatistics] {
  if (references) {
    const without = ids.filter((id) => !references.get(id)?.some((caption) => ptbTokenize(caption).length > 0));
    if (without.length > 0) {
      throw new CaptionerError('mismatch', `The references have no caption for ${namePhotos(without)}.`);
    }
    const words = ids.map((id) => references.get(id)!.map(ptbTokenize).filter((caption) => caption.length > 0)); // prettier-ignore
    const scorer = new CaptionScorer(words);
    const score = ({ captions }: Results) => scorer.statistics(ids.map((id) => ptbTokenize(captions.get(id)!)));
    return [score(a), score(b)];
  }
  const remedy = 'Pass the references (--data or --references) to score both again.';
  const unkept = [a, b].find(({ statistics }) => !statistics);
  if (unkept) {
    throw new CaptionerError(
      'not-found',
      `${unkept.name} has no photos.json with the statistics of its captions, which captioner evaluate --out writes. ${remedy}`,
    );
  }
  const [ofA, ofB] = [a.statistics!, b.statistics!];
  if (ofA.references !== ofB.references) {
    throw new CaptionerError(
      'mismatch',
      `${a.name} and ${b.name} were scored against different references or photos, on which CIDEr depends. ${remedy}`,
    );
  }
  return [statisticsOf(ofA, ids), statisticsOf(ofB, ids)];
}
