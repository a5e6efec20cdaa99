import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { median } from './rounds.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const program = path.join(root, 'dist', 'cli', 'main.js');

/** A cold start of `captioner caption photo.jpg`, from the shell's call to its end, and its peak memory. */
export async function benchCaption(): Promise<object> {
  const samples = path.join(root, 'data', 'samples');
  const photo = readdirSync(samples).find((name) => name.endsWith('.jpg'));
  if (photo === undefined) throw new Error(`There is no photo in ${samples}.`);
  const file = path.join(samples, photo);
  const runs = [];
  for (let i = 0; i < 8; i++) runs.push(await coldStart(file));
  const counted = runs.slice(1);
  return {
    what: 'captioner caption photo.jpg: seconds from call to end, and peak memory',
    seconds: Number(median(counted.map(({ seconds }) => seconds)).toFixed(2)),
    peakMemoryMB: Math.round(median(counted.map(({ megabytes }) => megabytes))),
    caption: runs[0].output.trim(),
  };
}

/** Runs the program and asks it, as it exits, for its own peak memory. */
async function coldStart(file: string): Promise<{ seconds: number; megabytes: number; output: string }> {
  const report = "process.on('exit',()=>process.stderr.write('\\nmaxRSS '+process.resourceUsage().maxRSS))";
  const start = performance.now();
  const preload = `data:text/javascript,${encodeURIComponent(report)}`;
  const child = spawn(process.execPath, ['--import', preload, program, 'caption', file]);
  let [output, errors] = ['', ''];
  child.stdout.on('data', (text: Buffer) => (output += text.toString()));
  child.stderr.on('data', (text: Buffer) => (errors += text.toString()));
  const [code] = (await once(child, 'close')) as [number];
  const seconds = (performance.now() - start) / 1000;
  if (code !== 0) throw new Error(errors);
  return { seconds, megabytes: Number(/maxRSS (\d+)/.exec(errors)?.[1]) / 1024, output };
}
