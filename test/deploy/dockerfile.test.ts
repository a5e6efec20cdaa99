import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { expect } from 'chai';
import { copy, inContext, readStages, type Instruction } from './image.js';

/** CAPTIONER_TEST_IMAGE=1 runs npm's steps, too, which download all packages. Otherwise the installed ones take their place. */
const withNpm = process.env.CAPTIONER_TEST_IMAGE === '1';

describe('the Dockerfile', function () {
  this.timeout(1_200_000).slow(120_000);
  const project = process.cwd();
  const ignore = fs.readFileSync('.dockerignore', 'utf8');
  const stages = readStages(fs.readFileSync('Dockerfile', 'utf8'));
  let folder: string;

  before(() => {
    if (!withNpm) console.warn('      (npm ci and npm prune are skipped: CAPTIONER_TEST_IMAGE=1 runs them)');
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
  });
  after(() => fs.rmSync(folder, { recursive: true, force: true }));

  const rootOf = (stage: string) => path.join(folder, stage);

  function perform({ name, text }: Instruction, workdir: string): void {
    if (name === 'COPY') {
      const [, from, paths] = /^(?:--from=(\w+) )?(.*)$/.exec(text)!;
      const places = paths.split(' ');
      const target = path.join(workdir, places.at(-1)!) + (places.at(-1)!.endsWith('/') ? '/' : '');
      const base = from ? rootOf(from) : project;
      const sources = places.slice(0, -1).map((place) => path.join(base, place));
      copy(
        sources,
        target,
        (file) => from !== undefined || isFolderOnTheWay(file) || inContext(path.relative(project, file), ignore),
      );
    }
    if (name === 'RUN') for (const command of text.split('&&')) runStep(command.trim(), workdir);
  }

  /** Folders that hold files of the context are not in it themselves. */
  const isFolderOnTheWay = (file: string) => fs.statSync(file).isDirectory();

  function runStep(command: string, workdir: string): void {
    if (/^npm ci\b/.test(command) && !withNpm) {
      // Links, so that what a step deletes is deleted in the image alone.
      execFileSync('cp', ['-al', path.join(project, 'node_modules'), workdir]);
      return;
    }
    if (/^npm prune\b/.test(command) && !withNpm) return;
    if (/^chown\b/.test(command)) return; // there may be no user `node` here
    execFileSync('sh', ['-c', command.replaceAll(' /cache', ` ${folder}/cache`)], { cwd: workdir, stdio: 'pipe' });
  }

  it('makes an image whose service captions a photo', async () => {
    let image = '';
    for (const { name = 'image', instructions } of stages) {
      image = rootOf(name);
      fs.mkdirSync(image);
      let workdir = image;
      for (const instruction of instructions) {
        if (instruction.name === 'WORKDIR') workdir = path.join(rootOf(name), instruction.text);
        fs.mkdirSync(workdir, { recursive: true });
        perform(instruction, workdir);
      }
      image = workdir;
    }
    const { text } = stages.at(-1)!.instructions.find(({ name }) => name === 'ENTRYPOINT')!;
    const [command, ...args] = JSON.parse(text) as string[];
    expect(command).to.equal('node');
    const child = spawn(process.execPath, [...args, '--host', '127.0.0.1', '--port', '0', '--workers', '1'], {
      cwd: image,
    });
    try {
      const lines: string[] = [];
      const url = await new Promise<string>((resolve, reject) => {
        createInterface({ input: child.stderr }).on('line', (line) => {
          lines.push(line);
          const address = /listening at (http:\S+)/.exec(line);
          if (address) resolve(address[1]);
        });
        child.once('exit', () => reject(new Error(lines.join('\n'))));
      });
      while (!(await fetch(`${url}/readyz`)).ok) await new Promise((resolve) => setTimeout(resolve, 50));
      const body = new Uint8Array(fs.readFileSync('data/samples/cat.jpg'));
      const answer = await fetch(`${url}/caption`, { method: 'POST', body });
      const { captions } = (await answer.json()) as { captions: { caption: string }[] };
      expect(captions[0].caption).to.match(/^\w+( \S+)+$/);
      for (const file of ['/', '/page.js', '/page.css', '/samples/cat.jpg']) {
        expect((await fetch(url + file)).status, file).to.equal(200);
      }
    } finally {
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
  });
});
