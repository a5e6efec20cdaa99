import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';

async function captioner(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'cli/main.ts', ...args], {
    env: { ...process.env, DEBUG: '' },
  });
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code: code as number, stdout, stderr };
}

interface Compared {
  readonly split: string;
  readonly photos: number;
  readonly scores: Record<string, { a: number; b: number; difference: number; randomisation: number }>;
  readonly better: { image_id: string; a: { caption: string }; b: { caption: string } }[];
}

/** Two searches of the shipped captioner for the sample photos, by the command line. */
describe('captioner evaluate and compare', function () {
  this.timeout(300_000).slow(30_000);
  let scratch: string;
  const at = (...names: string[]) => path.join(scratch, ...names);

  before(() => {
    scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    const samples = path.join('data', 'samples');
    for (const name of fs.readdirSync(samples).filter((file) => file.endsWith('.jpg'))) {
      fs.copyFileSync(path.join(samples, name), at(name));
    }
    const [head, ...rows] = fs.readFileSync(path.join(samples, 'captions.csv'), 'utf8').trim().split('\n');
    const quoted = rows.map((row) => row.replace(/^([^,]*),(.*)$/, '$1,"$2",test'));
    fs.writeFileSync(at('captions.csv'), [`${head},split`, ...quoted].join('\n'));
  });
  after(() => {
    fs.rmSync(scratch, { recursive: true });
  });

  const evaluate = (...args: string[]) =>
    captioner(
      ...['evaluate', '--checkpoint', 'checkpoints/mobilenetv2', '--data', at('captions.csv')],
      ...['--features', 'data/samples/features', '-q', ...args],
    );

  it('say which is better on the same photos, and how certain that is', async () => {
    const beam = await evaluate('--beam', '3', '--out', at('beam'));
    expect(beam.code, beam.stderr).to.equal(0);
    expect(beam.stdout).to.match(/^13 test photos, scores x 100 with 95 % intervals\n/);
    expect(beam.stdout).to.match(/\nperplexity of the references \d+\.\d; \d+\.\d % of their words are unknown\n/);
    expect(beam.stdout).to.match(/\nbeam 3: \d+ distinct captions of .*rank correlation of CIDEr with log-probability/);
    const report = fs.readFileSync(at('beam', 'report.html'), 'utf8');
    expect(report).to.contain('Evaluation of mobilenetv2').and.contain('LSTM with 512 units on mobilenetv2');
    expect(report.match(/<img src="data:image\/jpeg/g)).to.have.length(12);
    const greedy = await evaluate('--beam', '1', '--out', at('greedy'));
    expect(greedy.code, greedy.stderr).to.equal(0);

    const table = await captioner('compare', at('greedy'), at('beam'));
    expect(table.code, table.stderr).to.equal(0);
    expect(table.stdout).to.match(/\n13 test photos, scores x 100\n.*p \(bootstrap\)\s+p \(randomisation\)\nBLEU-1 /);
    expect(table.stdout).to.contain('Where b gains most').and.contain('Where b loses most');

    const printed = await captioner('compare', at('greedy'), at('beam'), '--json', '--show', '1');
    const compared = JSON.parse(printed.stdout) as Compared;
    expect(compared).to.include({ split: 'test', photos: 13 });
    const metrics = (folder: string, width: number) =>
      (JSON.parse(fs.readFileSync(at(folder, 'metrics.json'), 'utf8')) as { beams: Record<number, { CIDEr: number }> })
        .beams[width].CIDEr;
    const { a, b, difference, randomisation } = compared.scores.CIDEr;
    expect(a).to.be.closeTo(metrics('greedy', 1), 1e-9);
    expect(b).to.be.closeTo(metrics('beam', 3), 1e-9);
    expect(difference).to.be.closeTo(b - a, 1e-9);
    expect(randomisation).to.be.within(1 / 1001, 1);
    expect(compared.better).to.have.length(1);
    expect(table.stdout).to.contain(compared.better[0].b.caption);

    // Files of predictions with the references come to the same.
    const again = await captioner(
      ...['compare', at('greedy', 'predictions.json'), at('beam', 'predictions.json')],
      ...['--data', at('captions.csv'), '--json', '--show', '1'],
    );
    expect((JSON.parse(again.stdout) as Compared).scores).to.deep.equal(compared.scores);
  });

  it('have the usual beam of the search method if none is given', async () => {
    for (const [method, beam] of [
      ['beam', '3'],
      ['consensus', '10'],
    ]) {
      const { code, stdout, stderr } = await evaluate('--method', method, '--json');
      expect(code, stderr).to.equal(0);
      expect(Object.keys((JSON.parse(stdout) as { beams: object }).beams)).to.deep.equal([beam]);
    }
  });

  it('warn if the features belong to other photos', async () => {
    fs.cpSync(path.join('data', 'samples', 'features'), at('mixed'), { recursive: true });
    const index = at('mixed', 'index.jsonl');
    const rows = fs.readFileSync(index, 'utf8').trim().split('\n').map((line) => JSON.parse(line) as { id: string }); // prettier-ignore
    const turned = rows.map((row, i) => ({ ...row, id: rows[(i + 5) % rows.length].id }));
    fs.writeFileSync(index, `${turned.map((row) => JSON.stringify(row)).join('\n')}\n`);
    const mixed = await captioner(
      ...['evaluate', '--checkpoint', 'checkpoints/mobilenetv2', '--data', at('captions.csv')],
      ...['--features', at('mixed'), '-q', '--beam', '1,3', '--json'],
    );
    expect(mixed.code).to.equal(0);
    expect(mixed.stderr).to.match(
      /^captioner: (?:beam \d: )?CIDEr is .* with those of another photo\. The captions do not depend on the features/m,
    );
    interface Checked {
      readonly name: string;
      readonly alarm: boolean;
      readonly details: { readonly cider: number; readonly shuffled: number };
    }
    const { beams } = JSON.parse(mixed.stdout) as { beams: Record<number, { CIDEr: number; checks: Checked[] }> };
    const { alarm, details } = beams[3].checks.find(({ name }) => name === 'shuffled-features')!;
    expect(alarm).to.be.true;
    expect(details.cider).to.be.closeTo(beams[3].CIDEr, 1e-9);
    expect(details.shuffled).to.be.above(0.6 * details.cider);
  });

  it('refuse incomparable runs in one line', async () => {
    fs.writeFileSync(at('other.json'), '[{"image_id": "nowhere.jpg", "caption": "a dog"}]');
    const photo = await captioner('compare', at('other.json'), at('other.json'));
    expect(photo.code).to.equal(1);
    expect(photo.stderr).to.match(/^captioner: .*other\.json has no photos\.json.*--data or --references.*\n$/);
    const missing = await captioner('compare', at('none'), at('other.json'));
    expect(missing.stderr).to.match(/^captioner: .*none can't be read/);
    const samples = await captioner('compare', at('other.json'), at('other.json'), '--data', at('captions.csv'));
    expect(samples.stderr).to.match(/^captioner: The references have no caption for 1 photo \(nowhere\.jpg\)\.\n$/);
    const both = await captioner('compare', 'a', 'b', '--resamples', '0');
    expect(both.stderr).to.match(/^captioner: --resamples must be at least 1\.\n$/);
  });
});
