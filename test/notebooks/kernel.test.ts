import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { KernelClient } from '../../jupyter/client.js';
import type { Output } from '../../jupyter/notebook.js';

const root = path.resolve(import.meta.dirname, '../..');
const kernelspec = path.join(root, 'jupyter/kernels/captioner');

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
  /** Runs a cell and interrupts it when it prints. */
  const interruptAtFirstOutput = async (code: string) => {
    let interrupted = false;
    const { outputs, error } = await kernel.execute(code, () => {
      if (!interrupted) kernel.interrupt();
      interrupted = true;
    });
    return { text: textOf(outputs), error };
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

  it('knows the types of Plotly', async function () {
    if (!existsSync(path.join(root, 'node_modules/@types/plotly.js-dist'))) {
      console.log('      left out: the types of Plotly (npm ci brings them)');
      return this.skip();
    }
    const layout = (width: string) =>
      run(`import type { Layout } from 'plotly.js-dist';\n({ width: ${width} }) satisfies Partial<Layout>`);
    expect((await layout('300')).text).to.equal('{ width: 300 }');
    expect((await layout("'wide'")).error?.evalue).to.contain("Type 'string' is not assignable to type 'number'");
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

  it('reports thrown errors, also those of the project', async () => {
    expect((await run(`throw new RangeError('too far')`)).error).to.include({ ename: 'RangeError', evalue: 'too far' });
    const { error, outputs } = await run(`import { openFeatures } from 'captioner'; openFeatures('/nowhere')`);
    expect(error?.ename).to.equal('CaptionerError');
    expect(error?.evalue).to.contain('There is no feature store in /nowhere');
    expect(outputs.map(({ output_type }) => output_type)).to.deep.equal(['error']);
  });

  it('does not run requests that preceded a failure', async () => {
    const [failed, after] = await Promise.all([run(`throw new Error('first')`), run('globalThis.hasRun = true')]);
    expect(failed.error?.evalue).to.equal('first');
    expect(after.error).not.to.equal(undefined);
    expect((await run('String((globalThis as { hasRun?: boolean }).hasRun)')).text).to.equal("'undefined'");
  });

  it('keeps the names and imports that a cell made before it threw', async () => {
    await run(`const kept = 'old'; let other = 1;`);
    const { error } = await run(
      `import { palette } from 'captioner/viz';
       import type { FigureSpec } from 'captioner/viz';
       const kept = 2;
       function double(x: number) { return 2 * x; }
       throw new Error('here');
       const other = 'never';`,
    );
    expect(error?.evalue).to.equal('here');
    expect((await run('double(kept)')).text).to.equal('4');
    expect((await run('const spec: FigureSpec | undefined = undefined; typeof palette')).text).to.equal("'object'");
    // A name that the cell did not come to keeps its value, and its type.
    expect((await run('other.toFixed(1)')).text).to.equal("'1.0'");
  });

  it('names the line of the cell that threw, also of a function of an earlier cell', async () => {
    await run(
      `// a comment\nasync function fails(): Promise<never> {\n  await Promise.resolve();\n  throw new Error('deep');\n}`,
    );
    const { error } = await run(`interface Unused { a: string }\n\nawait fails();`);
    expect(error?.traceback[1]).to.match(/^cell \[\d+\], line 4:$/);
    expect(error?.traceback[2]).to.equal(`    throw new Error('deep');`);
    expect(error?.traceback.join('\n')).to.match(/cell \[\d+\], line 3/);
  });

  it('shows the numbers of a tensor and the rows of a data frame', async () => {
    const tensor = await run(
      `import * as tf from '@tensorflow/tfjs-core';\nimport { useBackend } from 'captioner/train';\nawait useBackend('cpu');\ntf.tensor2d([[1, 2.5], [3, 4]])`,
    );
    expect(textOf(tensor.outputs.slice(-1))).to.equal('Tensor [2, 2] float32\n[ [ 1, 2.5 ], [ 3, 4 ] ]');
    const frame = await run(`import * as danfo from 'danfojs-node';\nnew danfo.DataFrame([{ word: 'a', count: 3 }])`);
    expect(frame.text.replaceAll(/ +/g, ' ')).to.equal(' word count\n0 a 3');
    expect(frame.outputs[0]).to.have.nested.property('data.text/html');
  });

  it(`accepts tfjs-node's own name, or says what to use instead`, async () => {
    const { error, text } = await run(`import * as native from '@tensorflow/tfjs-node';\ntypeof native.matMul`);
    if (error) expect(error.evalue).to.contain('not installed here').and.contain(`Import '@tensorflow/tfjs'`);
    else expect(text).to.equal("'function'");
  });

  it('keeps the names of a cell that was interrupted, and ends its loops', async () => {
    const { error, text } = await interruptAtFirstOutput(
      `import { setTimeout as pause } from 'node:timers/promises';
       let turns = 0;
       console.log('begun');
       for (;;) { turns++; await pause(20); }`,
    );
    expect(error).to.deep.equal({
      ename: 'Interrupted',
      evalue: 'The cell was interrupted.',
      traceback: ['Interrupted: The cell was interrupted.'],
    });
    expect(text).to.equal('begun\n');
    const first = Number((await run('turns')).text);
    expect(first).to.be.greaterThan(0);
    await run('await pause(200)');
    expect(Number((await run('turns')).text)).to.equal(first);
  });

  it('reports that an interrupted cell still runs, and keeps its late output out of other cells', async () => {
    const { error } = await interruptAtFirstOutput(
      `const early = 'early';
       console.log('begun');
       await new Promise((resolve) => setTimeout(resolve, 5000));
       console.log('late');
       process.stdout.write('later');`,
    );
    expect(error?.ename).to.equal('Interrupted');
    expect(error?.evalue).to.contain('is still running').and.contain('Restart the kernel');
    const next = await run('await new Promise((resolve) => setTimeout(resolve, 6000)); early');
    expect(next.text).to.equal("'early'");
  });

  it('can be interrupted in a loop that never awaits', async () => {
    setTimeout(() => kernel.interrupt(), 1500);
    const { error } = await run('for (;;) {}');
    expect(error?.evalue).to.contain('interrupted');
    expect((await run('1 + 1')).text).to.equal('2');
  });

  it('aborts the signal of a waiting cell', async () => {
    const { text } = await interruptAtFirstOutput(
      `import { cellSignal } from 'captioner/viz';
       const signal = cellSignal();
       console.log('begun');
       await new Promise((resolve) => signal.addEventListener('abort', resolve));
       console.log('saved');`,
    );
    expect(text).to.equal('begun\nsaved\n');
    expect((await run('cellSignal().aborted')).text).to.equal('false');
  });

  it('is not disturbed by the installation of a package', async () => {
    const folder = mkdtempSync(path.join(root, 'node_modules', 'appears-'));
    try {
      await run('await new Promise((resolve) => setTimeout(resolve, 1500))');
      expect((await run('40 + 2')).text).to.equal('42');
    } finally {
      rmSync(folder, { recursive: true });
    }
    expect((await run('40 + 3')).text).to.equal('43');
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

  it('moves widgets: a figure is redrawn in its place when a front end sends a position', async () => {
    const cell = `import { interact, lineChart, slider } from 'captioner/viz';
await interact({ n: slider('n', { min: 1, max: 3 }) }, ({ n }) => lineChart([{ x: [1], y: [n] }], { title: 'n is ' + n }));`;
    const titleOf = (output: Output) => /n is \d/.exec('data' in output ? output.data['text/html'] : '')?.[0];

    // Without widgets in the front end, all figures are drawn in advance.
    const { outputs: fixed } = await run(cell);
    const last = fixed.at(-1) as Output & { data: Record<string, string> };
    expect(last.data['text/html'].match(/n is \d/g)).to.include.members(['n is 1', 'n is 2', 'n is 3']);
    expect(kernel.comms.size).to.equal(0);

    // JupyterLab's widget manager opens this when it begins.
    await kernel.sendComm('comm_open', { comm_id: 'x', target_name: 'jupyter.widget.control', data: {} });
    const { outputs } = await run(cell);
    const figure = outputs.at(-1)!;
    expect(titleOf(figure)).to.equal('n is 1');
    const [id] = [...kernel.comms].find(([, data]) => (data.state as { description?: string }).description === 'n')!;
    for (const index of [2, 1]) {
      await kernel.sendComm('comm_msg', { comm_id: id, data: { method: 'update', state: { index } } });
      expect(titleOf(figure)).to.equal(`n is ${index + 1}`);
    }
    // A page that is loaded again gets the widgets as they are.
    await kernel.sendComm('comm_msg', { comm_id: 'x', data: { method: 'request_states' } });
    const { states } = kernel.comms.get('x') as { states: Record<string, { model_name: string; state: object }> };
    expect(states[id]).to.include({ model_name: 'SelectionSliderModel' });
    expect(states[id].state).to.include({ index: 1, description: 'n' });
    await kernel.sendComm('comm_msg', { comm_id: id, data: { method: 'request_state' } });
    expect(kernel.comms.get(id)).to.deep.include({ method: 'update', state: states[id].state });
    expect((await run('1 + 1')).text, 'the kernel works as before').to.equal('2');
  });
});
