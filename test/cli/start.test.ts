import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** Needs the build: `npm run build`. */
const run = (program: string, args: readonly string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [`dist/cli/${program}.js`, ...args], {
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
};

describe('the start of the command line', () => {
  const checkpoint = ['--checkpoint', 'checkpoints/default'];

  it('bundles captioner caption, which does the same as from its modules', () => {
    expect(existsSync('dist/cli/bundle/caption.js')).to.equal(true);
    for (const args of [
      ['caption', 'data/samples/cat.jpg', 'data/samples/README.md', '--jsonl', ...checkpoint],
      ['caption', 'data/samples/cat.jpg', '--precision', 'int8', '--n', '2', '--require', 'cat', ...checkpoint],
      ['caption', '--help'],
      ['caption', 'data/samples/none.jpg', ...checkpoint],
      ['caption', '--beam', 'wide'],
    ]) {
      expect(run('start', args), args.join(' ')).to.deep.equal(run('main', args));
    }
  });

  it('starts the other commands from their modules', () => {
    for (const args of [['--version'], ['encoders', '--help'], ['help', 'caption'], ['none']]) {
      expect(run('start', args), args.join(' ')).to.deep.equal(run('main', args));
    }
  });
});
