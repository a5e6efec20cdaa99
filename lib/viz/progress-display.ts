import type { ProgressReporter } from '../progress.js';
import { display, LiveDisplay, type Displayable, type DisplayData } from './display.js';
import { escapeHtml } from './html.js';
import { fontFamily } from './theme.js';

/**
 * Progress below a cell: a bar during the work, then a line of text. It is a `ProgressReporter`.
 */
export class NotebookProgress implements ProgressReporter {
  private place?: LiveDisplay;
  private task = '';
  private total = 0;
  private unit = '';
  private done = 0;
  private note = '';
  private began = 0;
  /** The amount from which the speed is measured: a resumed task reports in its first second what was done before. */
  private from = { done: 0, seconds: 0 };

  start(task: string, total: number, unit: string): void {
    this.stop();
    Object.assign(this, {
      task,
      total,
      unit,
      done: 0,
      note: '',
      began: performance.now(),
      from: { done: 0, seconds: 0 },
      place: new LiveDisplay(250),
    });
    this.draw();
  }

  update(done: number, note = ''): void {
    this.done = done;
    this.note = note;
    if (this.seconds() < 1) this.from = { done, seconds: this.seconds() };
    this.draw();
  }

  stop(): void {
    const { place } = this;
    this.place = undefined;
    void place?.finish(new ProgressLine(`${this.task}: ${this.amount()} in ${this.elapsed()}`));
  }

  private draw(): void {
    const share = this.total > 0 ? Math.min(1, this.done / this.total) : undefined;
    void this.place?.update(
      () => new ProgressLine([this.task, this.amount(), this.left(), this.note].filter(Boolean).join('  '), share),
    );
  }

  private amount(): string {
    const scale = this.unit === 'bytes' ? 1e6 : 1;
    const number = (value: number) =>
      (value / scale).toLocaleString('en', { maximumFractionDigits: scale > 1 ? 1 : 0 });
    const of = this.total > 0 && this.done < this.total ? ` of ${number(this.total)}` : '';
    return `${number(this.done)}${of} ${this.unit === 'bytes' ? 'MB' : this.unit}`;
  }

  /** The remaining time at the mean speed so far; empty in the first second. */
  private left(): string {
    const [done, seconds] = [this.done - this.from.done, this.seconds() - this.from.seconds];
    if (this.total === 0 || done <= 0 || this.done >= this.total || this.seconds() < 1) return '';
    return `${duration((seconds * (this.total - this.done)) / done, 0)} left`;
  }

  private elapsed(): string {
    return duration(this.seconds(), 1);
  }

  private seconds(): number {
    return (performance.now() - this.began) / 1000;
  }
}

/** Seconds in words; `digits` of a number of seconds. */
function duration(seconds: number, digits: number): string {
  return seconds < 90 ? `${seconds.toFixed(digits)} s` : `${(seconds / 60).toFixed(1)} min`;
}

class ProgressLine implements Displayable {
  constructor(
    private readonly text: string,
    private readonly share?: number,
  ) {}

  [display](): Promise<DisplayData> {
    const bar =
      this.share === undefined
        ? ''
        : `<progress value="${this.share.toFixed(3)}" max="1" style="width:260px"></progress> `;
    const html = `<div style="font:14px ${fontFamily}">${bar}${escapeHtml(this.text)}</div>`;
    return Promise.resolve({ data: { ...(bar && { 'text/html': html }), 'text/plain': this.text } });
  }
}
