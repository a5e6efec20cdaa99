/** The answer of `GET /view.json`, which the page draws. */

/** A run in the list. */
export interface RunRow {
  readonly name: string;
  readonly status: 'running' | 'quiet' | 'finished';
  /** Time of the last line of its history, in ms since 1970. */
  readonly updated: number;
  readonly epoch: number;
  /** Epochs planned. */
  readonly epochs?: number;
  readonly bestEpoch?: number;
  /** Scores of the best epoch on the dev photos. */
  readonly loss?: number;
  readonly CIDEr?: number;
  /** Time spent training. */
  readonly seconds: number;
  readonly damagedLines: number;
  /** Its line in the figure, if it is drawn. */
  readonly curve?: { readonly color: string; readonly dash: 'solid' | 'dash' | 'dot' };
}

/** A dev photo whose captions are kept after each epoch. */
export interface SampledPhoto {
  readonly id: string;
  /** Whether `GET /photo` has it. */
  readonly shown: boolean;
  /** Captions by name of the run. */
  readonly epochs: readonly { readonly epoch: number; readonly captions: Readonly<Record<string, string>> }[];
}

export interface RunsView {
  readonly folder: string;
  readonly runs: readonly RunRow[];
  /** The curves of the runs that are compared; none before the first epoch. */
  readonly figure?: { readonly svg: string; readonly description: string };
  readonly photos: readonly SampledPhoto[];
  /** Hyperparameters in which the compared runs differ: their values by name of the run. */
  readonly differences: readonly { readonly name: string; readonly values: Readonly<Record<string, string>> }[];
}
