import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { InvalidArgumentError, Option, type Command } from 'commander';
import {
  evaluateCaptioner,
  findCheckpoint,
  InferenceConfig,
  loadCheckpoint,
  metricsOf,
  openFeatures,
  resolveSearch,
  SearchConfig,
  scoreNames,
  splitPhotos,
  writeEvaluation,
  type Evaluation,
  type Split,
} from '../../lib/index.js';
import { addDatasetOptions, openGiven, type DatasetFlags } from '../dataset.js';
import { addConfigOptions, checkpointFolders, defineCommand } from '../options.js';
import { runCommand } from '../run.js';

interface EvaluateOptions extends DatasetFlags {
  checkpoint: string[];
  features: string;
  split: Split;
  beam?: number[];
  out?: string;
  json?: true;
}

/** `captioner evaluate`: scores a checkpoint on a data set. */
export function evaluateCommand(): Command {
  const command = addDatasetOptions(
    defineCommand(
      'evaluate',
      `Caption the photos of a split and score the captions: BLEU-1 to 4, ROUGE-L and CIDEr-D.

Scores have 95 % bootstrap intervals over the photos. Also reports the perplexity of the references, the variety of the captions, and how well a caption's probability predicts its quality. Warns on stderr about silent failures: one caption for many photos, captions that do not depend on the features, features prepared differently from training, and unknown words.

Choose hyperparameters and the beam width on dev. Use test for the final score only.`,
      [
        ['captioner evaluate --checkpoint runs/first --data flickr8k --features features/flickr8k', 'scores on test'],
        [
          'captioner evaluate --checkpoint runs/first --data flickr8k --features features/flickr8k --split dev --beam 1,3,5',
          'choose a beam',
        ],
        [
          'captioner evaluate --checkpoint runs/a,runs/b --data flickr8k --features features/flickr8k',
          'an ensemble of two captioners',
        ],
        [
          'captioner evaluate --checkpoint runs/first --data flickr8k --features features/flickr8k --out results/first',
          'keep captions and scores, and a page to view them: report.html',
        ],
      ],
    ),
  )
    .requiredOption(
      '--checkpoint <folder>',
      'Checkpoint or training run. Several, separated by commas or by repeating the flag, form an ensemble.',
      checkpointFolders,
    )
    .requiredOption('--features <folder>', "Features of the data set's photos, from captioner extract.")
    .addOption(new Option('--split <split>', 'Split to caption.').choices(['train', 'dev', 'test']).default('test'))
    .option(
      '--beam <widths>',
      'Beam widths, separated by commas. 1 is greedy search. (default: 3, or 10 for consensus)',
      beamWidths,
    )
    .option(
      '-o, --out <folder>',
      'Folder for report.html, predictions.json, photos.json, metrics.json, config.json and log.jsonl.',
    )
    .option('--json', 'Print the scores as JSON.');
  const config = addConfigOptions(
    command,
    { search: SearchConfig.omit({ beam: true, n: true }), inference: InferenceConfig },
    { heading: 'Search:' },
  );

  return command.action(
    runCommand(async ({ options, progress, signal, warn }) => {
      const chosen = options as EvaluateOptions;
      const { checkpoint: given, data, features: folder, split, beam, out, json } = chosen;
      const { inference } = config.read();
      const { search } = config.given();
      const [found, ...others] = given.map((folder) => findCheckpoint(folder));
      const [checkpoint, ...ensemble] = [found, ...others].map((folder) => loadCheckpoint(folder));
      const manifest = splitPhotos(await openGiven(chosen, warn));
      const features = openFeatures(folder);
      const request = {
        checkpoint,
        ensemble,
        manifest,
        features,
        split,
        beams: beam ?? [resolveSearch(search).beam],
        search,
        ...inference,
        progress,
        signal,
      };
      const evaluations = await evaluateCaptioner(request);
      features.close();
      for (const line of alarms(evaluations)) warn(line);
      if (out !== undefined) {
        const file = path.join(found, 'history.jsonl');
        const history = existsSync(file) ? { history: file } : {};
        const config = {
          ...checkpoint.config,
          evaluation: { data, split, search, ...inference, ...(others.length > 0 && { ensemble: given }) },
        };
        await writeEvaluation(out, evaluations, { split, config, ...history });
        const { evaluationReport } = await import('../../lib/viz.js');
        const files = new Map(manifest.photos.map((photo) => [photo.id, photo.file]));
        const { encoder, decoder } = checkpoint.config;
        const report = await evaluationReport({
          title: `Evaluation of ${given.map((folder) => path.basename(path.resolve(folder))).join(' + ')}`,
          subtitle: `${decoder.layers === 1 ? '' : `${decoder.layers} layers of `}${decoder.cell.toUpperCase()} with ${decoder.hiddenSize} units on ${encoder.name}; the ${split} photos of ${manifest.name}`,
          ...{ split, evaluations, config, ...history },
          photoFile: (id) => files.get(id),
        });
        await writeFile(path.join(out, 'report.html'), report);
      }
      console.log(json ? JSON.stringify(metricsOf(split, evaluations)) : table(split, evaluations));
    }),
  );
}

/** Alarms of the checks, listed once if they are the same for all beams. */
function alarms(evaluations: readonly Evaluation[]): string[] {
  const beams = new Map<string, number[]>();
  for (const { beam, checks } of evaluations) {
    for (const { alarm, message } of checks) if (alarm) beams.set(message, [...(beams.get(message) ?? []), beam]);
  }
  return [...beams].map(([message, of]) =>
    of.length === evaluations.length ? `captioner: ${message}` : `captioner: beam ${of.join(', ')}: ${message}`,
  );
}

function beamWidths(text: string): number[] {
  const widths = text.split(',').map(Number);
  if (widths.every((width) => Number.isInteger(width) && width >= 1)) return widths;
  throw new InvalidArgumentError('Expected whole numbers of at least 1, separated by commas.');
}

/**
 * Scores times 100, as usually reported: one row per beam width with intervals below, then the
 * diagnostics.
 */
function table(split: Split, evaluations: readonly Evaluation[]): string {
  const { photos, fit } = evaluations[0];
  const line = (cells: readonly string[]) => cells.map((cell, i) => cell.padStart(i === 0 ? 6 : 13)).join('');
  const rows = evaluations.flatMap(({ beam, scores, intervals }) => [
    line([`${beam}`, ...scoreNames.map((name) => hundred(scores[name]))]),
    line(['', ...scoreNames.map((name) => `${hundred(intervals[name].low)}-${hundred(intervals[name].high)}`)]),
  ]);
  const more = evaluations.map(({ beam, distinct, words, diversity, calibration, confidence }) =>
    [
      `beam ${beam}: ${distinct} distinct captions of ${words.toFixed(1)} words`,
      ...(diversity.novel === undefined ? [] : [`${percent(diversity.novel)} not in the training captions`]),
      `${diversity.words} distinct words (${percent(diversity.vocabulary ?? 0)} of the vocabulary)`,
      `distinct-1 ${diversity['distinct-1'].toFixed(3)}, distinct-2 ${diversity['distinct-2'].toFixed(3)}`,
      `rank correlation of CIDEr with log-probability ${correlation(calibration.logProbability.spearman)}, per word ${correlation(calibration.perWord.spearman)}`,
      ...(confidence
        ? [
            `confidence: ${percent(confidence.share)} are good (CIDEr of at least ${confidence.threshold}), area under the ROC curve ${correlation(confidence.auc)}, Brier score ${confidence.brier.toFixed(3)}`,
          ]
        : []),
    ].join('; '),
  );
  return [
    `${photos.length} ${split} photos, scores x 100 with 95 % intervals`,
    line(['beam', ...scoreNames]),
    ...rows,
    `perplexity of the references ${fit.perplexity.toFixed(1)}; ${percent(fit.unknown)} of their words are unknown`,
    ...more,
  ].join('\n');
}

function hundred(score: number): string {
  return (100 * score).toFixed(1);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function correlation(spearman: number | undefined): string {
  return spearman === undefined ? 'unknown' : spearman.toFixed(2);
}
