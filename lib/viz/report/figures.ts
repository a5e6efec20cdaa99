import type { CalibrationBin } from '../../metrics/calibration.js';
import type { HistoryRecord } from '../../train/loop/history.js';
import type { EpochRecord, StepRecord } from '../../train/loop/trainer.js';
import { thinned } from '../curves.js';
import { Figure } from '../figure.js';
import type { Axis, ScatterTrace, Trace } from '../spec.js';
import { palette } from '../theme.js';

/** Width of a figure: nearly that of a phone's page, and two side by side on a screen. */
const size = { width: 400, height: 270 } as const;

/**
 * The training loss by step and the loss on the dev captions; undefined if the history has no steps
 * and no epochs.
 */
export function trainingCurves(history: readonly HistoryRecord[]): Figure | undefined {
  const steps = history.filter((record): record is StepRecord => record.type === 'step');
  const epochs = history.filter((record): record is EpochRecord => record.type === 'epoch');
  const validated = epochs.filter(({ scores }) => scores.loss !== undefined);
  if (steps.length + epochs.length === 0) return undefined;
  const data: Trace[] = [
    steps.length > 0
      ? curve('training', thinned(steps, 200), palette.sky, 'lines', 1.3)
      : curve('training', epochs, palette.sky),
    ...(validated.length > 0
      ? [
          curve(
            'dev captions',
            validated.map(({ step, scores }) => ({ step, loss: scores.loss })),
            palette.orange,
          ),
        ]
      : []),
  ];
  const last = validated.at(-1)?.scores.loss ?? epochs.at(-1)?.loss ?? steps.at(-1)!.loss;
  return figure(data, 'step', 'loss a word', `Loss over ${epochs.length} epochs; at the end ${last.toFixed(2)}`);
}

/** CIDEr of the dev photos after each epoch; undefined if there is none. */
export function scoreCurve(history: readonly HistoryRecord[]): Figure | undefined {
  const scored = history.filter(
    (record): record is EpochRecord => record.type === 'epoch' && record.scores.CIDEr !== undefined,
  );
  if (scored.length === 0) return undefined;
  const line = (name: string, colour: string): ScatterTrace => ({
    type: 'scatter',
    mode: 'lines+markers',
    name,
    x: scored.map(({ epoch }) => epoch),
    y: scored.map(({ scores }) => 100 * scores[name]),
    line: { color: colour, width: 2 },
    marker: { color: colour, size: 6 },
  });
  const lines = [line('CIDEr', palette.green)];
  if (scored.every(({ scores }) => scores['BLEU-4'] !== undefined)) lines.push(line('BLEU-4', palette.purple));
  const best = Math.max(...scored.map(({ scores }) => 100 * scores.CIDEr));
  const epochs = scored.map(({ epoch }) => epoch);
  return figure(lines, 'epoch', 'dev score x 100', `Dev scores after each epoch; CIDEr ${best.toFixed(1)} at best`, {
    ...(epochs.length <= 10 && { tickvals: epochs }),
  });
}

/** Lengths of captions and of references: the share of each length. */
export function lengthHistogram(captions: readonly number[], references: readonly number[]): Figure {
  const longest = Math.max(1, ...[...captions, ...references].map((length) => Math.min(length, 30)));
  const x = Array.from({ length: longest + 1 }, (_, i) => i);
  const shares = (lengths: readonly number[]) =>
    x.map((length) => lengths.filter((one) => Math.min(one, 30) === length).length / Math.max(1, lengths.length));
  const data: Trace[] = [
    { type: 'bar', name: 'captions', x, y: shares(captions), marker: { color: palette.blue } },
    { type: 'bar', name: 'people', x, y: shares(references), marker: { color: palette.orange } },
  ];
  const mean = (lengths: readonly number[]) =>
    (lengths.reduce((sum, one) => sum + one, 0) / Math.max(1, lengths.length)).toFixed(1);
  return figure(
    data,
    longest === 30 ? 'words (30: 30 or more)' : 'words',
    'share',
    `Captions have ${mean(captions)} words on average, references ${mean(references)}`,
    {},
    { tickformat: '.0%' },
  );
}

/** Mean CIDEr of captions of similar confidence. @param bins of log-probabilities per word. */
export function calibrationCurve(bins: readonly CalibrationBin[]): Figure {
  const trace: ScatterTrace = {
    type: 'scatter',
    mode: 'lines+markers',
    x: bins.map(({ confidence }) => Math.exp(confidence)),
    y: bins.map(({ score }) => 100 * score),
    line: { color: palette.blue, width: 2 },
    marker: { color: palette.blue, size: 8 },
  };
  const all = bins.map(({ score }) => (100 * score).toFixed(0)).join(', ');
  return figure(
    [trace],
    'probability a word',
    'mean CIDEr x 100',
    `Mean CIDEr from the least to the most confident captions: ${all}`,
    { tickformat: '.0%' },
  );
}

/**
 * The reliability diagram: the share of good captions by confidence. Calibrated captions lie on the
 * diagonal.
 */
export function reliabilityDiagram(bins: readonly CalibrationBin[]): Figure {
  const diagonal: ScatterTrace = {
    ...{ type: 'scatter', mode: 'lines', name: 'perfect', x: [0, 1], y: [0, 1] },
    line: { color: palette.grey, width: 1 },
  };
  const measured: ScatterTrace = {
    type: 'scatter',
    mode: 'lines+markers',
    name: 'measured',
    x: bins.map(({ confidence }) => confidence),
    y: bins.map(({ score }) => score),
    line: { color: palette.blue, width: 2 },
    marker: { color: palette.blue, size: 8 },
  };
  const all = bins.map(({ confidence, score }) => `${confidence.toFixed(2)}: ${score.toFixed(2)}`).join(', ');
  const percent: Axis = { tickformat: '.0%', range: [0, 1] };
  return figure(
    [diagonal, measured],
    'confidence',
    'good captions',
    `Confidence and share of good captions: ${all}`,
    percent,
    percent,
  );
}

function figure(data: Trace[], xTitle: string, yTitle: string, description: string, x: Axis = {}, y: Axis = {}) {
  const layout = {
    ...size,
    showlegend: data.length > 1,
    bargap: 0.2,
    xaxis: { title: { text: xTitle }, ...x },
    yaxis: { title: { text: yTitle }, ...y },
  };
  return new Figure({ data, layout }, description);
}

function curve(
  name: string,
  points: readonly { readonly step: number; readonly loss: number }[],
  color: string,
  mode: 'lines' | 'lines+markers' = 'lines+markers',
  width = 2,
): ScatterTrace {
  const x = points.map(({ step }) => step);
  return {
    ...{ type: 'scatter', mode, name, x, y: points.map(({ loss }) => loss) },
    line: { color, width },
    marker: { color, size: 6 },
  };
}
