import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { CaptionerError } from '../../lib/errors.js';
import type { SweepRow } from '../../lib/train/sweep/sweep-rows.js';
import { parseSpace } from '../../cli/sweep-space.js';
import { writeTwoScenes } from '../fixtures/two-scenes.js';
import { captionerUntil } from './captioner.js';

describe('captioner sweep', function () {
  this.slow(10_000);
  let folder: string;
  const at = (...names: string[]) => path.join(folder, ...names);
  before(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    writeTwoScenes(folder);
  });
  after(() => {
    fs.rmSync(folder, { recursive: true });
  });

  const sweep = (...more: string[]) =>
    `sweep --data ${at('data.jsonl')} --features ${at('features')} --out ${at('sweep')} --hidden-size 12 --embedding-size 8 --batch-size 8 --feature-dropout 0 --patience 0`
      .split(' ')
      .concat(more);
  const grid = ['--epochs', '20', '--grid', 'learning-rate=0.0001,0.02', 'cell=lstm,gru'];

  it('is stopped by Ctrl-C, continues with the same command, and prints the best first', async () => {
    const second = at('sweep', 'learningRate=0.0001,cell=gru,seed=1', 'best');
    const stopped = await captionerUntil(second, ...sweep(...grid));
    expect(stopped.code).to.equal(130);
    expect(stopped.stderr).to.match(
      /learningRate=0\.0001,cell=lstm,seed=1: best of 20 epochs is number \d+, CIDEr \d\.\d{3}/,
    );
    expect(stopped.stderr).to.match(
      /Stopped with 1 of 4 runs done, which are saved in .*Repeat the same sweep to continue/,
    );

    const began = fs.statSync(at('sweep', 'learningRate=0.0001,cell=lstm,seed=1', 'last', 'state.json')).mtimeMs;
    const { code, stdout, stderr } = await captionerUntil(undefined, ...sweep(...grid));
    expect(code, stderr).to.equal(0);
    const [head, ...lines] = stdout.trim().split('\n');
    expect(head).to.match(/^learningRate +cell +CIDEr$/);
    const scores = lines.slice(0, 4).map((line) => Number(line.trim().split(/ +/)[2]));
    expect(scores).to.deep.equal([...scores].sort((a, b) => b - a));
    expect(lines[0]).to.match(/^ +0\.02 +(lstm|gru) /);
    expect(lines[4]).to.match(/^4 runs\. The best: .*learningRate=0\.02/);
    expect(fs.statSync(at('sweep', 'learningRate=0.0001,cell=lstm,seed=1', 'last', 'state.json')).mtimeMs).to.equal(
      began,
    );

    const json = await captionerUntil(undefined, ...sweep(...grid, '--json', '--quiet'));
    const rows = JSON.parse(json.stdout) as SweepRow[];
    expect(rows.map(({ status, epoch }) => `${status} ${epoch}`)).to.deep.equal(Array(4).fill('finished 20'));
    expect(json.stderr).to.equal('');
  });

  it('says which hyperparameter or value is wrong', () => {
    const message = (...settings: string[]) => {
      try {
        parseSpace(settings);
      } catch (error) {
        return (error as CaptionerError).message;
      }
      return expect.fail('it was accepted');
    };
    expect(message('learning-rat=1')).to.match(
      /There is no hyperparameter 'learning-rat'. Did you mean 'learning-rate'\?$/,
    );
    expect(message('hidden-size')).to.match(/'hidden-size' is not of the form/);
    expect(message('hidden-size=big')).to.match(/hidden-size can't be 'big'. Give numbers/);
    expect(message('normalize-features=maybe')).to.match(/Give true or false/);
    expect(message('layers=1', 'layers=2')).to.match(/layers is given twice/);
  });

  it('reads lists and ranges', () => {
    expect(
      parseSpace([
        'learning-rate=log:1e-4..0.01',
        'inputDropout=0..0.5',
        'cell=lstm,gru',
        'normalize-features=yes,false',
        'minCount=3',
      ]),
    ).to.deep.equal({
      learningRate: { from: 1e-4, to: 0.01, log: true },
      inputDropout: { from: 0, to: 0.5 },
      cell: ['lstm', 'gru'],
      normalizeFeatures: [true, false],
      minCount: [3],
    });
  });
});
