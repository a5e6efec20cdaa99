import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's root folder. */
export const root = fileURLToPath(new URL('..', import.meta.url));

const program = path.join(root, 'dist', 'cli', 'start.js');

/** A run of `captioner`: seconds from call to exit, and peak memory. */
export interface ProgramRun {
  readonly seconds: number;
  readonly megabytes: number;
  readonly output: string;
}

/** Runs the built program from a cold start. As it exits, it reports its own peak memory. */
export async function runProgram(args: readonly string[]): Promise<ProgramRun> {
  const report = "process.on('exit',()=>process.stderr.write('\\nmaxRSS '+process.resourceUsage().maxRSS))";
  const start = performance.now();
  const preload = `data:text/javascript,${encodeURIComponent(report)}`;
  const child = spawn(process.execPath, ['--import', preload, program, ...args]);
  let [output, errors] = ['', ''];
  child.stdout.on('data', (text: Buffer) => (output += text.toString()));
  child.stderr.on('data', (text: Buffer) => (errors += text.toString()));
  const [code] = (await once(child, 'close')) as [number];
  const seconds = (performance.now() - start) / 1000;
  if (code !== 0) throw new Error(errors);
  return { seconds, megabytes: Number(/maxRSS (\d+)/.exec(errors)?.[1]) / 1024, output };
}
