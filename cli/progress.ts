import { SingleBar } from 'cli-progress';
import type { ProgressReporter } from '../lib/index.js';

/** Output for progress: a terminal, a log file or a pipe. */
export interface ProgressStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

/** Seconds between two lines if the output is not a terminal. */
const secondsBetweenLines = 10;
/** Rate and remaining time are averages over this many seconds. */
const rateWindow = 20;

/**
 * Progress on a terminal: a bar with rate and remaining time. On other outputs, a plain line every
 * 10 s.
 * @param now the time in ms.
 */
export class TerminalProgress implements ProgressReporter {
  private task?: { name: string; total: number; unit: string };
  private done = 0;
  private note = '';
  private samples: { time: number; done: number }[] = [];
  private lastLine = 0;
  private bar?: SingleBar;

  constructor(
    private readonly stream: ProgressStream,
    private readonly now: () => number = () => performance.now(),
  ) {}

  start(task: string, total: number, unit: string): void {
    this.stop();
    this.task = { name: task, total, unit };
    this.done = 0;
    this.note = '';
    this.samples = [];
    this.lastLine = this.now();
    if (!this.stream.isTTY) return;
    this.bar = new SingleBar({
      stream: this.stream as NodeJS.WritableStream,
      hideCursor: true,
      fps: 5,
      format: () => this.line(),
    });
    this.bar.start(Math.max(1, total), 0);
  }

  update(done: number, note = ''): void {
    if (!this.task) return;
    this.done = done;
    this.note = note;
    const time = this.now();
    // The rate counts from the first update, because a resumed task starts at an offset.
    if (!this.samples.length || time - this.samples.at(-1)!.time >= 250) this.samples.push({ time, done });
    while (this.samples.length > 2 && time - this.samples[1].time > rateWindow * 1000) this.samples.shift();
    if (this.bar) this.bar.update(done);
    else if (time - this.lastLine >= secondsBetweenLines * 1000) this.writeLine(time);
  }

  stop(): void {
    if (this.bar) this.bar.stop();
    else if (this.task && this.samples.length) this.writeLine(this.now());
    this.bar = undefined;
    this.task = undefined;
  }

  /** Prints a line between updates of the bar. */
  warn(line: string): void {
    this.stream.write(this.bar ? `\r\x1b[K${line}\n` : `${line}\n`);
  }

  private writeLine(time: number): void {
    this.lastLine = time;
    this.stream.write(`${this.line()}\n`);
  }

  /** "Extracting ━━━━━━━━──── 52 %  4,200/8,091 photos  71 photos/s  0:55 left" */
  private line(): string {
    const { name, total, unit } = this.task!;
    const first = this.samples[0];
    const seconds = first ? (this.now() - first.time) / 1000 : 0;
    const rate = seconds > 0 ? (this.done - first.done) / seconds : 0;
    const parts = [name];
    if (total > 0) {
      const share = Math.min(1, this.done / total);
      if (this.bar) parts[0] += ` ${'━'.repeat(Math.round(share * 24)).padEnd(24, '─')}`;
      parts[0] += ` ${Math.floor(share * 100)} %`;
    }
    parts.push(unit === 'bytes' ? megabytes(this.done, total) : counts(this.done, total, unit));
    if (rate > 0) {
      parts.push(unit === 'bytes' ? `${(rate / 1e6).toFixed(1)} MB/s` : `${shortNumber(rate)} ${unit}/s`);
      if (total > this.done) parts.push(`${duration((total - this.done) / rate)} left`);
    }
    if (this.note) parts.push(this.note);
    return parts.join('  ');
  }
}

function counts(done: number, total: number, unit: string): string {
  const of = total > 0 ? `/${grouped(total)}` : '';
  return `${grouped(done)}${of} ${unit}`;
}

/** A whole number with separators of thousands. Those below need no locale, which takes 12 ms to load. */
function grouped(value: number): string {
  return value < 1000 ? String(value) : value.toLocaleString('en');
}

function megabytes(done: number, total: number): string {
  return `${(done / 1e6).toFixed(1)}${total > 0 ? `/${(total / 1e6).toFixed(1)}` : ''} MB`;
}

function shortNumber(value: number): string {
  return value >= 100 ? grouped(Math.round(value)) : value.toPrecision(2);
}

/** Seconds as m:ss or h:mm:ss. */
export function duration(seconds: number): string {
  const s = Math.round(seconds);
  const [hours, minutes] = [Math.floor(s / 3600), Math.floor(s / 60) % 60];
  const tail = String(s % 60).padStart(2, '0');
  return hours ? `${hours}:${String(minutes).padStart(2, '0')}:${tail}` : `${minutes}:${tail}`;
}
