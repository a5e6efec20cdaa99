import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Split } from '../data/datasets/manifest.js';
import type { Evaluation } from './evaluation.js';
import { byScore } from '../metrics/bootstrap.js';
import { photoStatisticsText } from '../metrics/photo-statistics.js';

/** The evaluation that stands for a checkpoint: that with a beam of 3, the default, or the first. */
export function mainEvaluation(evaluations: readonly Evaluation[]): Evaluation {
  return evaluations.find(({ beam }) => beam === 3) ?? evaluations[0];
}

/**
 * What `metrics.json` says: the scores for each width of the beam as fractions, with their intervals `[low, high]`, and what else is known of
 * the captions; `fit` is that of the references.
 */
export function metricsOf(split: Split, evaluations: readonly Evaluation[]) {
  const { photos, fit } = evaluations[0];
  return {
    split,
    photos: photos.length,
    fit,
    beams: Object.fromEntries(
      evaluations.map(({ beam, scores, distinct, words, intervals, diversity, calibration, confidence, checks }) => [
        beam,
        {
          ...scores,
          distinct,
          words,
          intervals: byScore((name) => [intervals[name].low, intervals[name].high] as const),
          diversity,
          calibration,
          ...(confidence && { confidence }),
          checks,
        },
      ]),
    ),
  };
}

/**
 * Writes the results of an evaluation into a folder:
 * - `predictions.json`: the captions as the COCO caption evaluation wants them; with several beams each has a file of its own, too;
 * - `photos.json`: what the scores of each photo are computed from, for {@link compareResults};
 * - `metrics.json`, `config.json`, and `log.jsonl`, the training's history.
 *
 * @param config what was evaluated, and how.
 * @param history a file.
 */
export async function writeEvaluation(
  folder: string,
  evaluations: readonly Evaluation[],
  { split, config, history }: { split: Split; config: object; history?: string },
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const write = (name: string, text: string) => writeFile(path.join(folder, name), text);
  const json = (value: unknown) => `${JSON.stringify(value, null, 1)}\n`;
  const captions = ({ predictions }: Evaluation) =>
    json(predictions.map(({ image_id, caption }) => ({ image_id, caption })));
  const main = mainEvaluation(evaluations);
  await write('predictions.json', captions(main));
  if (evaluations.length > 1) {
    for (const one of evaluations) await write(`predictions-beam${one.beam}.json`, captions(one));
  }
  await write('photos.json', photoStatisticsText(main, { split, beam: main.beam }));
  await write('metrics.json', json(metricsOf(split, evaluations)));
  await write('config.json', json(config));
  if (history !== undefined) await copyFile(history, path.join(folder, 'log.jsonl'));
}
