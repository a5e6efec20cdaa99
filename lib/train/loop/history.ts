import fs from 'node:fs';
import path from 'node:path';
import { explainFileError } from '../../errors.js';
import type { EpochRecord, SampleRecord, StepRecord } from './trainer.js';

/** A line of `history.jsonl`. */
export type HistoryRecord = StepRecord | EpochRecord | SampleRecord;

/** The history of a run as JSON lines in a file that grows during the run. */
export class History {
  /**
   * @param file `history.jsonl`.
   * @param past content that the file begins with: the history of the checkpoint that a run resumes from.
   */
  constructor(
    private readonly file: string,
    private readonly past: Uint8Array = new Uint8Array(),
  ) {}

  /** Writes the file as the run begins or resumes; a line must not be appended before. */
  open(): void {
    this.write(() => {
      fs.mkdirSync(path.dirname(this.file), { recursive: true });
      fs.writeFileSync(this.file, this.past);
    });
  }

  append(record: HistoryRecord): void {
    this.write(() => {
      fs.appendFileSync(this.file, `${JSON.stringify(record)}\n`);
    });
  }

  /** The content of the file. */
  bytes(): Uint8Array {
    return fs.readFileSync(this.file);
  }

  private write(work: () => void): void {
    try {
      work();
    } catch (error) {
      throw explainFileError(error, this.file);
    }
  }
}

/** Reads a `history.jsonl`; a last line that was cut short is left out. */
export function readHistory(file: string): HistoryRecord[] {
  return fs
    .readFileSync(file, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as HistoryRecord);
}
