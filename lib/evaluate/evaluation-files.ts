import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Split } from '../data/datasets/manifest.js';
import type { Evaluation } from './evaluation.js';
import { byScore } from '../metrics/bootstrap.js';
import { photoStatisticsText } from '../metrics/photo-statistics.js';

/**
 * The evaluation that represents a checkpoint: with the default beam of 3 if there is one, else the
 * first.
 */
export function mainEvaluation(evaluations: readonly Evaluation[]): Evaluation {
  return evaluations.find(({ beam }) => beam === 3) ?? evaluations[0];
}

/**
 * Content of `metrics.json`: for each beam width the scores as fractions, their intervals
 * `[low, high]` and the diagnostics; `fit` describes the references.
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
 * - `predictions.json`: captions in the format of the COCO caption evaluation, with one more file
 * per beam width if there are several;
 * - `photos.json`: the statistics behind the scores of each photo, for {@link compareResults};
 * - `metrics.json`, `config.json`, and `log.jsonl`, the training history.
 *
 * @param config what was evaluated, and how.
 * @param history path of the training history.
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
