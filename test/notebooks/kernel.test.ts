import path from 'node:path';
import { expect } from 'chai';
import { KernelClient } from '../../jupyter/client.js';
import type { Output } from '../../jupyter/notebook.js';

const kernelspec = path.resolve(import.meta.dirname, '../../jupyter/kernels/captioner');

function textOf(outputs: readonly Output[]): string {
  return outputs
    .map((output) => ('text' in output ? output.text : 'data' in output ? (output.data['text/plain'] ?? '') : ''))
    .join('');
}

/** The kernel in a process of its own, over ZeroMQ, as JupyterLab starts it: build first. */
describe('the kernel', function () {
  this.timeout(300_000);
  let kernel: KernelClient;
  const run = async (code: string) => {
    const { outputs, error } = await kernel.execute(code);
    return { text: textOf(outputs), outputs, error };
  };
  before(async () => {
    kernel = await KernelClient.start(kernelspec);
  });
  after(async () => {
    await kernel.shutDown();
  });

  it('gives the value of the last expression, and keeps names from cell to cell', async () => {
    expect((await run('const seven = 3 + 4; seven')).text).to.equal('7');
    expect((await run('const next = { seven }; next')).text).to.equal('{ seven: 7 }');
  });

  it('imports the package by its name, with its types', async () => {
    expect((await run(`import { Vocabulary } from 'captioner';\nVocabulary.END`)).text).to.equal('2');
    expect((await run(`import { palette } from 'captioner/viz';\ntypeof palette.blue`)).text).to.equal("'string'");
    const { error } = await run(`Vocabulary.build([['a']], { minCount: 'one', maxSize: 9 })`);
    expect(error?.evalue).to.contain("Type 'string' is not assignable to type 'number'");
  });

  it('has strict types', async () => {
    const { error } = await run('let maybe: string | undefined;\nmaybe.length');
    expect(error).to.include({ ename: 'TypeScript' });
    expect(error?.evalue).to.match(/^2:1 - .*undefined/);
    expect(error?.traceback.join('\n')).to.contain('maybe.length');
  });

  it('awaits at the top of a cell, in every way', async () => {
    expect((await run('const both = (await Promise.all([1, 2])).map((x) => x + 1); both')).text).to.equal('[ 2, 3 ]');
    expect((await run('await (async () => 5)()')).text).to.equal('5');
    expect((await run('for await (const x of [Promise.resolve(1), 2]) console.log(x)')).text).to.equal('1\n2\n');
  });

  it('loses no output, however much there is', async () => {
    const { text } = await run('for (let i = 0; i < 5000; i++) { console.log(i); process.stderr.write(""); }');
    expect(text.trim().split('\n')).to.have.length(5000);
    const bursts = await run(`for (let i = 0; i < 2000; i++) { console.log('x'); console.error('y'); }`);
    expect(bursts.text.replaceAll('\n', '')).to.have.length(4000);
  });

  it('says what was thrown, in words of the project too', async () => {
    expect((await run(`throw new RangeError('too far')`)).error).to.include({ ename: 'RangeError', evalue: 'too far' });
    const { error, outputs } = await run(`import { openFeatures } from 'captioner'; openFeatures('/nowhere')`);
    expect(error?.ename).to.equal('CaptionerError');
    expect(error?.evalue).to.contain('There is no feature store in /nowhere');
    expect(outputs.map(({ output_type }) => output_type)).to.deep.equal(['error']);
  });

  it('does not run what was asked for before a cell failed', async () => {
    const [failed, after] = await Promise.all([run(`throw new Error('first')`), run('globalThis.hasRun = true')]);
    expect(failed.error?.evalue).to.equal('first');
    expect(after.error).not.to.equal(undefined);
    expect((await run('String((globalThis as { hasRun?: boolean }).hasRun)')).text).to.equal("'undefined'");
  });

  it('can be interrupted in a loop that never awaits', async () => {
    setTimeout(() => kernel.interrupt(), 1500);
    const { error } = await run('for (;;) {}');
    expect(error?.evalue).to.contain('interrupted');
    expect((await run('1 + 1')).text).to.equal('2');
  });

  it('tells a cell that waits, by its signal, that it shall stop', async () => {
    setTimeout(() => kernel.interrupt(), 1500);
    const { text } = await run(
      `import { cellSignal } from 'captioner/viz';
       const signal = cellSignal();
       await new Promise((resolve) => signal.addEventListener('abort', resolve));
       console.log('saved');`,
    );
    expect(text).to.equal('saved\n');
    expect((await run('cellSignal().aborted')).text).to.equal('false');
  });

  it('shows figures as Plotly and as a picture, and brings Plotly once', async () => {
    const cell = `import { lineChart, show } from 'captioner/viz';\nawait show(lineChart([{ x: [1, 2], y: [1, 2] }], { title: 'A line' }));`;
    const kinds = (outputs: Output[]) =>
      outputs.map((output) => ('data' in output ? Object.keys(output.data).sort() : output));
    const figure = ['image/png', 'text/html', 'text/plain'];
    expect(kinds((await run(cell)).outputs)).to.deep.equal([['text/html'], figure]);
    const again = await run(`lineChart([{ x: [1, 2], y: [2, 1] }], { title: 'A line' })`);
    expect(kinds(again.outputs)).to.deep.equal([figure]);
  });

  it('updates a display in place', async () => {
    const { outputs } = await run(
      `import { NotebookProgress } from 'captioner/viz';
       const bar = new NotebookProgress();
       bar.start('Working', 10, 'steps');
       for (let i = 1; i <= 10; i++) { await new Promise((r) => setTimeout(r, 40)); bar.update(i); }
       bar.stop();`,
    );
    expect(outputs).to.have.length(1);
    expect(textOf(outputs)).to.match(/^Working: 10 steps in \d/);
  });
});
