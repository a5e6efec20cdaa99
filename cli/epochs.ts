import type { EpochRecord, TrainerState } from '../lib/training.js';
import { duration } from './progress.js';

/** An epoch, or only the scores that a run begins with. */
type Row = Pick<EpochRecord, 'scores'> & Partial<EpochRecord>;

const columns: readonly [title: string, value: (row: Row) => string][] = [
  ['epoch', ({ epoch }) => `${epoch ?? 'start'}`],
  ['loss', ({ loss }) => loss?.toFixed(3) ?? '-'],
  ['dev loss', ({ scores }) => scores.loss?.toFixed(3) ?? '-'],
  ['perplexity', ({ scores }) => scores.perplexity?.toFixed(2) ?? '-'],
  ['BLEU-1', ({ scores }) => scores['BLEU-1']?.toFixed(3) ?? '-'],
  ['BLEU-4', ({ scores }) => scores['BLEU-4']?.toFixed(3) ?? '-'],
  ['ROUGE-L', ({ scores }) => scores['ROUGE-L']?.toFixed(3) ?? '-'],
  ['CIDEr', ({ scores }) => scores.CIDEr?.toFixed(3) ?? '-'],
  ['time', ({ seconds }) => (seconds === undefined ? '-' : duration(seconds))],
];

/** Writes a table of a run as it goes on: each epoch's losses and dev scores; the best so far has a star. */
export function epochTable(write: (line: string) => void) {
  let begun = false;
  const add = (row: Row) => {
    if (!begun) write(columns.map(([title]) => title.padStart(8)).join('  '));
    begun = true;
    const cells = columns.map(([title, value]) => value(row).padStart(Math.max(8, title.length)));
    write(cells.join('  ') + (row.best ? ' *' : ''));
  };
  return {
    onStart: (scores: Row['scores']) => {
      add({ scores });
    },
    onEpoch: add as (record: EpochRecord) => void,
  };
}

/** How a run ended, for people. */
export function outcomeLine(best: string, { epoch, seconds, bestEpoch, bestScores }: TrainerState, devPhotos: number) {
  const score =
    bestScores.CIDEr === undefined ? '' : `, CIDEr ${bestScores.CIDEr.toFixed(3)} on ${devPhotos} dev photos`;
  const which = bestEpoch === 0 ? 'what the run began with' : `number ${bestEpoch}`;
  return `${best}: the best of ${epoch} epochs is ${which}${score} (${duration(seconds)}).`;
}

/** How a run ended, for programs. */
export function outcomeJson(best: string, { epoch, step, seconds, bestEpoch, bestScores }: TrainerState): string {
  return JSON.stringify({ checkpoint: best, epochs: epoch, steps: step, seconds, bestEpoch, scores: bestScores });
}
