import fs from 'node:fs';
import path from 'node:path';

/** An instruction of a Dockerfile, its continued lines joined. */
export interface Instruction {
  readonly name: string;
  readonly text: string;
}

/** A stage of a Dockerfile: what follows a FROM. */
export interface Stage {
  readonly name?: string;
  readonly instructions: readonly Instruction[];
}

/** Reads the stages of a Dockerfile. */
export function readStages(text: string): Stage[] {
  const lines = text
    .replace(/^\s*#.*\n/gm, '')
    .replace(/\\\n/g, ' ')
    .split('\n')
    .filter((line) => line.trim());
  const stages: { name?: string; instructions: Instruction[] }[] = [];
  for (const line of lines) {
    const [, name, rest] = /^(\w+)\s+(.*)$/.exec(line.trim())!;
    if (name === 'FROM') stages.push({ name: / AS (\w+)$/i.exec(rest)?.[1], instructions: [] });
    else stages.at(-1)!.instructions.push({ name, text: rest });
  }
  return stages;
}

/** Whether a .dockerignore leaves a path of the project in the context of the build. */
export function inContext(file: string, ignore: string): boolean {
  let kept = true;
  for (const line of ignore.split('\n').filter((text) => text && !text.startsWith('#'))) {
    const pattern = line.replace(/^!/, '').split('/');
    const parts = file.split('/');
    const matches = pattern.every((part, i) => part === '*' || part === parts[i]) && parts.length >= pattern.length;
    if (matches) kept = line.startsWith('!');
  }
  return kept;
}

/** Copies files and folders as COPY does: the contents of a folder, or files into one. */
export function copy(sources: readonly string[], target: string, wanted: (source: string) => boolean): void {
  for (const source of sources) {
    const isFolder = fs.statSync(source).isDirectory();
    const to = isFolder || !target.endsWith('/') ? target : path.join(target, path.basename(source));
    fs.cpSync(source, to, { recursive: true, filter: (file) => wanted(file) });
  }
}
