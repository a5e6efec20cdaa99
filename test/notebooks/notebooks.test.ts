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

      it('says goal, time and needs first, and exercises with solutions and what comes next at the end', () => {
        expect(texts[0])
          .to.match(/^# \d · /)
          .and.contain('**Goal.**')
          .and.contain('**Time.**')
          .and.contain('**What you need.**');
        expect(texts.join('\n')).to.contain('**What to notice.**');
        const last = texts.at(-1)!;
        expect(last)
          .to.contain('## Exercises')
          .and.match(/\*\*Next:\*\* \[|\*\*This was the last notebook\.\*\*/);
        expect(last.match(/<details><summary>Solution<\/summary>/g)).to.have.length(3);
        expect(last.match(/<\/details>/g)).to.have.length(3);
      });

      it('links to files that are there', () => {
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

  it('show what the captioner in the box writes about the sample photos', async () => {
    const captioner = await Captioner.load();
    const captioned = await captioner.caption((await openSamples()).photos.map(({ file }) => file));
    await captioner.release();
    for (const name of ['06-sampling', '07-looking', '08-your-own']) {
      const shown = readFileSync(
        files.find((file) => file.includes(name))!,
        'utf8',
      );
      for (const { file, captions } of captioned) {
        const remedy = `${name} is of another captioner than checkpoints/default: npm run notebooks brings it up to date`;
        expect(shown.includes(captions[0].caption), `${path.basename(file)}: ${remedy}`).to.equal(true);
      }
    }
  });

  // On the real kernel, as npm run notebooks does. Nothing but the project is there: no data set, no mirror, no encoder in a cache.
  for (const file of files) {
    it(`${path.basename(file)} runs with the tiny preset, and gives what is committed`, async function () {
      this.timeout(900_000);
      const committed = readNotebook(file);
      const env = {
        ...process.env,
        CAPTIONER_PRESET: 'tiny',
        CAPTIONER_CACHE: path.resolve('/nowhere'),
        CAPTIONER_MIRROR: undefined,
      };
      const { notebook, failed } = await executeNotebook(committed, env);
      expect(failed, failed && `cell ${failed.cell}: ${failed.message}\n${failed.traceback.join('\n')}`).to.equal(
        undefined,
      );
      const ran = codeCells(withoutScripts(notebook));
      codeCells(committed).forEach((cell, i) => {
        // Data that is there already needs no progress bar.
        if (!/openLesson\(/.test(cell.source)) expect(kindsOf(ran[i]), cell.source).to.deep.equal(kindsOf(cell));
      });
    });
  }
});
