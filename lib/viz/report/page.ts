import type { Evaluation } from '../../evaluate/evaluation.js';
import { mainEvaluation } from '../../evaluate/evaluation-files.js';
import type { CalibrationBin } from '../../metrics/calibration.js';
import { ptbTokenize } from '../../metrics/ptb.js';
import { scoreNames } from '../../metrics/statistics.js';
import { readHistory, type HistoryRecord } from '../../train/loop/history.js';
import type { Figure } from '../figure.js';
import { escapeHtml } from '../html.js';
import { choosePhotos, photoCard } from './cards.js';
import { calibrationCurve, lengthHistogram, reliabilityDiagram, scoreCurve, trainingCurves } from './figures.js';
import { reportStyle } from './style.js';

/** Options of an evaluation’s report. */
export interface EvaluationReportOptions {
  readonly title: string;
  /** One-line description of the evaluation. */
  readonly subtitle?: string;
  readonly split: string;
  readonly evaluations: readonly Evaluation[];
  /** Returns the file of a photo by its id; undefined if unknown. */
  readonly photoFile: (id: string) => string | undefined;
  /** The training's history.jsonl. */
  readonly history?: string;
  /** Configuration of the evaluation. */
  readonly config: object;
}

/**
 * An evaluation as one self-contained HTML page: no network, no scripts, light or dark following
 * the reader's system. It shows scores with their intervals, the checks that raised an alarm,
 * training curves, good and bad captions with their photos, lengths, calibration, and the config.
 * The size is about half a megabyte, nearly all of it photos. Sharing the page shares photos and
 * captions of the data set.
 */
export async function evaluationReport(options: EvaluationReportOptions): Promise<string> {
  const { title, subtitle, split, evaluations, config } = options;
  const main = mainEvaluation(evaluations);
  const sections = [
    checksSection(main),
    scoresSection(evaluations, split),
    trainingSection(options.history),
    await captionsSection(main, options.photoFile),
    section('Lengths', figureHtml(lengthsOf(main))),
    calibrationSection(main),
    confidenceSection(main),
    section(
      'Config',
      `<details><summary>All hyperparameters</summary><pre>${escapeHtml(JSON.stringify(config, null, 2))}</pre></details>`,
    ),
  ];
  const body = [
    `<header><h1>${escapeHtml(title)}</h1>${subtitle === undefined ? '' : `<p class="quiet">${escapeHtml(subtitle)}</p>`}</header>`,
    ...sections,
  ].join('\n');
  return (
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">' +
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">` +
    `<title>${escapeHtml(title)}</title><style>${reportStyle}</style></head>\n<body><main>\n${body}\n</main></body></html>\n`
  );
}

function section(heading: string, content: string): string {
  return content === '' ? '' : `<section><h2>${heading}</h2>${content}</section>`;
}

function checksSection({ checks }: Evaluation): string {
  const alarms = checks.filter(({ alarm }) => alarm).length;
  const items = [...checks]
    .sort((a, b) => Number(b.alarm) - Number(a.alarm))
    .map(
      ({ alarm, message, value, threshold }) =>
        `<li${alarm ? ' class="alarm"' : ''}>${escapeHtml(message)}<small>${value.toFixed(3)}; alarm above ${threshold}</small></li>`,
    );
  const heading = alarms === 0 ? 'Checks: no alarm' : `Checks: ${alarms === 1 ? 'an alarm' : `${alarms} alarms`}`;
  return section(heading, `<ul class="checks">${items.join('')}</ul>`);
}

function scoresSection(evaluations: readonly Evaluation[], split: string): string {
  const main = mainEvaluation(evaluations);
  const head = evaluations.map(({ beam }) => `<th>${beam === 1 ? 'greedy' : `beam ${beam}`}</th>`).join('');
  const rows = scoreNames.map((name) => {
    const cells = evaluations.map(({ scores, intervals }) => {
      const { low, high } = intervals[name];
      return `<td>${hundred(scores[name])}<small>${hundred(low)} to ${hundred(high)}</small></td>`;
    });
    return `<tr><td>${name}</td>${cells.join('')}</tr>`;
  });
  const { diversity, fit, photos, distinct } = main;
  const tiles: [name: string, value: string, share?: number][] = [
    ['perplexity of the references, per word', fit.perplexity.toFixed(1)],
    ['unknown words in the references', percent(fit.unknown)],
    ['distinct captions', `${distinct}`, diversity.distinctCaptions],
    ...(diversity.novel === undefined
      ? []
      : ([['captions not among the training captions', percent(diversity.novel)]] satisfies [string, string][])),
    ['different words', `${diversity.words}`, diversity.vocabulary],
    ['distinct-1', diversity['distinct-1'].toFixed(3)],
    ['distinct-2', diversity['distinct-2'].toFixed(3)],
    ['words a caption', diversity.length.toFixed(1)],
  ];
  const frequent = diversity.frequent
    .filter(([, count]) => count > 1)
    .map(([caption, count]) => `<tr><td class="words">${escapeHtml(caption)}</td><td>${count}</td></tr>`);
  return section(
    'Scores',
    `<p class="quiet">${photos.length} ${escapeHtml(split)} photos, x 100, with 95 % intervals by bootstrap over the photos. ${evaluations.length > 1 ? `Everything below is for ${main.beam === 1 ? 'greedy search' : `beam ${main.beam}`}.` : ''}</p>` +
      `<div class="scroll"><table><thead><tr><th></th>${head}</tr></thead><tbody>${rows.join('')}</tbody></table></div>` +
      `<dl class="tiles">${tiles.map(tile).join('')}</dl>` +
      (frequent.length > 0
        ? `<h3>Most frequent captions</h3><table><thead><tr><th>caption</th><th>photos</th></tr></thead><tbody>${frequent.join('')}</tbody></table>`
        : ''),
  );
}

function tile([name, value, share]: readonly [name: string, value: string, share?: number]): string {
  const of = name === 'different words' ? ' of the vocabulary' : '';
  return `<div><dt>${name}</dt><dd>${value}${share === undefined ? '' : `<small>${percent(share)}${of}</small>`}</dd></div>`;
}

function trainingSection(file: string | undefined): string {
  if (file === undefined) return '';
  let history: HistoryRecord[];
  try {
    history = readHistory(file);
  } catch (error) {
    return section('Training', `<p>Its history can't be read (${escapeHtml((error as Error).message)}).</p>`);
  }
  const figures = [trainingCurves(history), scoreCurve(history)].filter((figure) => figure !== undefined);
  return figures.length === 0
    ? ''
    : section('Training', `<div class="columns">${figures.map(figureHtml).join('')}</div>`);
}

async function captionsSection(
  { photos }: Evaluation,
  photoFile: EvaluationReportOptions['photoFile'],
): Promise<string> {
  const { best, median, worst } = choosePhotos(photos);
  const group = async (heading: string, chosen: typeof best) => {
    if (chosen.length === 0) return '';
    const cards: string[] = [];
    for (const photo of chosen) cards.push(await photoCard(photo, photoFile(photo.image_id)));
    return `<h3>${heading}</h3><div class="cards">${cards.join('')}</div>`;
  };
  return section(
    'Captions',
    '<p class="quiet">By CIDEr against the references, which are listed below each caption.</p>' +
      (await group('The best', best)) +
      (await group('In the middle', median)) +
      (await group('The worst', worst)),
  );
}

function lengthsOf({ photos }: Evaluation): Figure {
  const words = (caption: string) => ptbTokenize(caption).length;
  return lengthHistogram(
    photos.map(({ caption }) => words(caption)),
    photos.flatMap(({ references }) => references.map(words)),
  );
}

function calibrationSection({ calibration: { logProbability, perWord } }: Evaluation): string {
  const row = ({ captions, from, to, score }: CalibrationBin) =>
    `<tr><td>${percent(Math.exp(from))} to ${percent(Math.exp(to))}</td><td>${captions}</td><td>${hundred(score)}</td></tr>`;
  const known = (spearman: number | undefined) => (spearman === undefined ? 'unknown' : spearman.toFixed(2));
  return section(
    'Does the probability predict a good caption?',
    `<p>Rank correlation (Spearman) of a caption's CIDEr with its probability: <b>${known(logProbability.spearman)}</b>; with the mean probability of its words: <b>${known(perWord.spearman)}</b>. 1 is perfect; 0 means unrelated.</p>` +
      `<div class="columns">${figureHtml(calibrationCurve(perWord.bins))}<div class="scroll"><table><thead><tr><th>probability per word</th><th>captions</th><th>CIDEr</th></tr></thead><tbody>${perWord.bins.map(row).join('')}</tbody></table></div></div>`,
  );
}

/** The section on calibration; empty for a captioner that is not calibrated. */
function confidenceSection({ confidence }: Evaluation): string {
  if (!confidence) return '';
  const { share, auc, brier, threshold, bins } = confidence;
  return section(
    'Does it know when a caption is good?',
    `<p>Confidence is the calibrated probability that a caption is good (CIDEr of ${hundred(threshold)} or more); ${percent(share)} of these are. Area under the ROC curve: <b>${auc?.toFixed(2) ?? 'unknown'}</b> (0.5: chance; 1: perfect). Brier score: <b>${brier.toFixed(3)}</b> (the share alone: ${(share * (1 - share)).toFixed(3)}).</p>` +
      figureHtml(reliabilityDiagram(bins)),
  );
}

/** Embeds a drawing in the page, making its ids unique. */
function figureHtml(figure: Figure): string {
  const id = `${figure.description.replaceAll(/[^a-z0-9]+/gi, '-').slice(0, 24)}-`;
  const svg = figure
    .toSvg()
    .replaceAll('id="', `id="${id}`)
    .replaceAll('url(#', `url(#${id}`)
    .replace('<svg ', '<svg role="img" aria-hidden="true" ');
  return `<figure class="figure">${svg}<figcaption>${escapeHtml(figure.description)}.</figcaption></figure>`;
}

function hundred(score: number): string {
  return (100 * score).toFixed(1);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)}\u00A0%`;
}
