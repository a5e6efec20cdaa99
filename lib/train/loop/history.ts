import fs from 'node:fs';
import path from 'node:path';
import { explainFileError } from '../../errors.js';
import type { EpochRecord, StepRecord } from './trainer.js';

export type HistoryRecord = StepRecord | EpochRecord;

/** A run's history as JSON lines in a file, which grows while the run goes on. */
export class History {
  /**
   * @param file `history.jsonl`.
   * @param past what the file is to begin with: the history of the checkpoint that a run goes on from.
   */
  constructor(
    private readonly file: string,
    past: Uint8Array = new Uint8Array(),
  ) {
    this.write(() => {
      fs.mkdirSync(path.dirname(file), { recursive: true });
      fs.writeFileSync(file, past);
    });
  }

  append(record: HistoryRecord): void {
    this.write(() => {
      fs.appendFileSync(this.file, `${JSON.stringify(record)}\n`);
    });
  }

  private write(work: () => void): void {
    try {
      work();
    } catch (error) {
      throw explainFileError(error, this.file);
    }
  }

  bytes(): Uint8Array {
    return fs.readFileSync(this.file);
  }
}

/** Reads a `history.jsonl`; a last line that a kill cut short is left out. */
export function readHistory(file: string): HistoryRecord[] {
  return fs
    .readFileSync(file, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as HistoryRecord);
}
