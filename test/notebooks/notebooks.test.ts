import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { notebookText, readNotebook, withoutScripts, type Cell, type Notebook } from '../../jupyter/notebook.js';
import { executeNotebook, notebookFiles } from '../../jupyter/execute.js';
import { Captioner } from '../../lib/captioner/captioner.js';
import { openSamples } from '../../lib/lesson.js';

const files = notebookFiles();
const codeCells = ({ cells }: Notebook) =>
  cells.filter((cell): cell is Cell & { cell_type: 'code' } => cell.cell_type === 'code');
/** The code of the solutions, in their order. */
const solutionsOf = ({ cells }: Notebook) =>
  cells.flatMap(({ cell_type, source }) =>
    cell_type === 'markdown'
      ? [...source.matchAll(/<details><summary>Solution<\/summary>\s*```ts\n([\s\S]*?)```/g)].map(([, code]) => code)
      : [],
  );
const kindsOf = (cell: Cell & { cell_type: 'code' }) =>
  cell.outputs.map((output) => ('data' in output ? Object.keys(output.data).sort().join(' ') : output.output_type));

describe('the notebooks', () => {
  it('are eight, in order', () => {
    expect(files.map((file) => path.basename(file).slice(0, 3))).to.deep.equal([
      '01-',
      '02-',
      '03-',
      '04-',
      '05-',
      '06-',
      '07-',
      '08-',
    ]);
  });

  for (const file of files) {
    describe(path.basename(file), () => {
      const notebook = readNotebook(file);
      const texts = notebook.cells.filter(({ cell_type }) => cell_type === 'markdown').map(({ source }) => source);

      it('begins with goal, time, needs and kernel, asks for predictions, and ends with a summary, exercises and what comes next', () => {
        expect(texts[0])
          .to.match(/^# \d · /)
          .and.contain('**Goal.**')
          .and.contain('**Time.**')
          .and.contain('**What you need.**')
          .and.contain('TypeScript (captioner)');
        const all = texts.join('\n');
        expect(all).to.contain('**What to notice.**').and.contain('**Predict.**').and.contain('## Summary');
        expect(texts.at(-1)).to.match(/^\*\*Next:\*\* \[|^\*\*This was the last notebook\.\*\*/);
        expect(solutionsOf(notebook)).to.have.length(3);
        expect(all.match(/<\/details>/g)).to.have.length(3);
      });

      it('has an answer cell below each exercise, which has no answer yet', () => {
        const answers = notebook.cells.filter(
          ({ source, cell_type }) => cell_type === 'code' && /^await exercise\d\.check\(\);/m.test(source),
        );
        expect(answers).to.have.length(3);
      });

      it('links to existing files', () => {
        for (const [, link] of texts.join('\n').matchAll(/\]\((?!https?:|#)([^)\s]+)\)/g)) {
          expect(statSync(path.join(path.dirname(file), link), { throwIfNoEntry: false }), link).not.to.equal(
            undefined,
          );
        }
      });

      it('is committed as it ran, from top to bottom, without errors and small', () => {
        expect(readFileSync(file, 'utf8'), 'npm run notebooks writes it in order').to.equal(notebookText(notebook));
        const cells = codeCells(notebook);
        expect(cells.map((cell) => cell.execution_count)).to.deep.equal(cells.map((_, i) => i + 1));
        expect(cells.flatMap(kindsOf)).not.to.include('error');
        expect(withoutScripts(notebook)).to.deep.equal(notebook);
        expect(statSync(file).size).to.be.lessThan(900_000);
      });
    });
  }

  it('show what the default model writes about the sample photos', async () => {
    const captioner = await Captioner.load('checkpoints/default');
    const photos = (await openSamples()).photos.map(({ file }) => file);
    const usual = await captioner.caption(photos);
    // Notebook 6 calls the search itself, without what a captioner adds to it.
    const plain = await captioner.caption(photos, { repeatWords: true });
    await captioner.release();
    for (const name of ['06-sampling', '07-looking', '08-your-own']) {
      const shown = readFileSync(
        files.find((file) => file.includes(name))!,
        'utf8',
      );
      for (const { file, captions } of name === '06-sampling' ? plain : usual) {
        const remedy = `${name} is of another captioner than checkpoints/default: npm run notebooks brings it up to date`;
        expect(shown.includes(captions[0].caption), `${path.basename(file)}: ${remedy}`).to.equal(true);
      }
    }
  });

  // On the real kernel, as npm run notebooks does. Nothing but the project is there: no data set, no mirror, no encoder in a cache.
  for (const file of files) {
    it(`${path.basename(file)} runs with the tiny preset, gives what is committed, and its solutions are right`, async function () {
      this.timeout(1_800_000);
      const committed = readNotebook(file);
      const env = {
        ...process.env,
        CAPTIONER_PRESET: 'tiny',
        CAPTIONER_CACHE: path.resolve('/nowhere'),
        CAPTIONER_MIRROR: undefined,
      };
      const verdicts: string[] = [];
      const { notebook, failed } = await executeNotebook(committed, env, async (kernel) => {
        for (const code of solutionsOf(committed)) {
          const { outputs, error } = await kernel.execute(code);
          verdicts.push(
            error?.traceback.join('\n') ?? outputs.map((output) => ('text' in output ? output.text : '')).join(''),
          );
        }
      });
      expect(failed, failed && `cell ${failed.cell}: ${failed.message}\n${failed.traceback.join('\n')}`).to.equal(
        undefined,
      );
      for (const [i, verdict] of verdicts.entries()) expect(verdict, `solution ${i + 1}`).to.contain('✓ Right.');
      const ran = codeCells(withoutScripts(notebook));
      codeCells(committed).forEach((cell, i) => {
        // Data that is there already needs no progress bar.
        if (!/openLesson\(/.test(cell.source)) expect(kindsOf(ran[i]), cell.source).to.deep.equal(kindsOf(cell));
      });
    });
  }
});
