import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { writeTwoScenes } from '../fixtures/two-scenes.js';
import { captionerUntil } from './captioner.js';

describe('captioner train and evaluate', function () {
  this.slow(10_000);
  let folder: string;
  const at = (...names: string[]) => path.join(folder, ...names);

  const captioner = (args: string[], interruptAt?: string) => captionerUntil(interruptAt, ...args);

  before(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    writeTwoScenes(folder);
  });
  after(() => {
    fs.rmSync(folder, { recursive: true });
  });

  const size =
    '--hidden-size 12 --embedding-size 8 --batch-size 8 --learning-rate 0.02 --feature-dropout 0 --patience 0';
  const train = (out: string, ...more: string[]) => [
    'train',
    '--data',
    at('data.jsonl'),
    '--features',
    at('features'),
    '--out',
    at(out),
    ...size.split(' '),
    ...more,
  ];
  const evaluate = (...more: string[]) => [
    'evaluate',
    '--checkpoint',
    at('run'),
    '--data',
    at('data.jsonl'),
    '--features',
    at('features'),
    ...more,
  ];

  it('train, are stopped by Ctrl-C, resume, and score', async () => {
    const stopped = await captioner(train('run', '--epochs', '60'), at('run', 'best'));
    expect(stopped.code).to.equal(130);
    expect(stopped.stderr).to.match(/stopping; press Ctrl-C again to stop at once/);
    expect(stopped.stderr).to.match(
      /Stopped after \d+ of 540 steps, which are saved\. Repeat the command with --resume/,
    );

    const refused = await captioner(train('run', '--epochs', '6'));
    expect(refused.code).to.equal(1);
    expect(refused.stderr).to.match(/holds a training run\. Resume it \(--resume, or resume: true\)/);

    const { code, stdout, stderr } = await captioner(train('run', '--epochs', '60', '--resume', '--json'));
    expect(stderr).to.match(/epoch\s+loss\s+dev loss\s+perplexity\s+BLEU-1\s+BLEU-4\s+ROUGE-L\s+CIDEr\s+time/);
    expect(code).to.equal(0);
    const result = JSON.parse(stdout) as { checkpoint: string; epochs: number; scores: Record<string, number> };
    expect(result).to.include({ checkpoint: at('run', 'best'), epochs: 60 });

    const dev = await captioner(evaluate('--split', 'dev', '--json'));
    const { beams } = JSON.parse(dev.stdout) as { beams: Record<string, Record<string, number>> };
    expect(beams[3].CIDEr).to.be.closeTo(result.scores.CIDEr, 1e-9);

    const test = await captioner(evaluate('--beam', '1,3', '--out', at('results')));
    expect(test.stderr).not.to.match(/error|unexpected/);
    expect(test.stdout).to.match(
      /^4 test photos, scores x 100 with 95 % intervals\n\s+beam\s+BLEU-1.*CIDEr.*\n\s+1 .*\n.*\n\s+3 /,
    );
    expect(fs.readdirSync(at('results')).sort()).to.deep.equal(
      ['config', 'metrics', 'photos', 'predictions', 'predictions-beam1', 'predictions-beam3']
        .map((name) => `${name}.json`)
        .concat('log.jsonl', 'report.html')
        .sort(),
    );
    const predictions = JSON.parse(fs.readFileSync(at('results', 'predictions.json'), 'utf8')) as object[];
    expect(predictions).to.have.length(4);
    expect(predictions[0]).to.have.keys('image_id', 'caption');
  });

  it('do not evaluate on features of another encoder', async () => {
    const { code, stderr } = await captioner([...evaluate(), '--features', at('other-features')]);
    expect(code).to.equal(1);
    expect(stderr).to.match(/^captioner: The features come from the encoder 'random' \(sha256 2222/);
  });

  it('refuse options that do not fit, before anything is loaded', async () => {
    const { code, stderr } = await captioner(train('new', '--cell', 'lstn'));
    expect(code).to.equal(1);
    expect(stderr).to.match(/--cell .*\n?.*Choose one of lstm, gru, rnn\.\n\(Did you mean lstm\?\)/);
    fs.writeFileSync(at('vocab.json'), '{"words": []}');
    const bad = await captioner(train('new', '--vocabulary', at('vocab.json')));
    expect(bad.stderr).to.match(/vocab\.json is not a vocabulary/);
    const both = await captioner(train('new', '--vocabulary', at('vocab.json'), '--min-count', '1'));
    expect(both.stderr).to.match(/Vocabulary options have no effect/);
    const beam = await captioner(evaluate('--beam', '1,zero'));
    expect(beam.stderr).to.match(/Expected whole numbers of at least 1/);
    expect(fs.existsSync(at('new'))).to.equal(false);
  });
});
