import { spawn } from 'node:child_process';
import fs from 'node:fs';

/** The end of a command. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line, without progress, to its end. */
export function captioner(...args: string[]): Promise<Ended> {
  return captionerUntil(undefined, ...args, '--quiet');
}

/** Runs the command line as a user does, who presses Ctrl-C when a file appears. */
export function captionerUntil(file: string | undefined, ...args: string[]): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--import', 'tsx', 'cli/main.ts', ...args], {
      env: { ...process.env, DEBUG: '' },
    });
    const output = { stdout: '', stderr: '' };
    child.stdout.on('data', (text) => (output.stdout += String(text)));
    child.stderr.on('data', (text) => (output.stderr += String(text)));
    const watch = setInterval(() => {
      if (file === undefined || !fs.existsSync(file)) return;
      child.kill('SIGINT');
      clearInterval(watch);
    }, 5);
    child.on('error', reject).on('close', (code) => {
      clearInterval(watch);
      resolve({ code, ...output });
    });
  });
}
