import type { EpochRecord, TrainerState } from '../lib/training.js';
import { duration } from './progress.js';

/** An epoch, or only the initial scores of a run. */
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

/**
 * Prints a table of a run while it is running: losses and dev scores per epoch. A star marks the
 * best so far.
 */
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

/** The outcome of a run, for people. */
export function outcomeLine(best: string, { epoch, seconds, bestEpoch, bestScores }: TrainerState, devPhotos: number) {
  const score =
    bestScores.CIDEr === undefined ? '' : `, CIDEr ${bestScores.CIDEr.toFixed(3)} on ${devPhotos} dev photos`;
  const which = bestEpoch === 0 ? 'the starting checkpoint' : `number ${bestEpoch}`;
  return `${best}: best of ${epoch} epochs is ${which}${score} (${duration(seconds)}).`;
}

/** The outcome of a run, for programs. */
export function outcomeJson(best: string, { epoch, step, seconds, bestEpoch, bestScores }: TrainerState): string {
  return JSON.stringify({ checkpoint: best, epochs: epoch, steps: step, seconds, bestEpoch, scores: bestScores });
}
