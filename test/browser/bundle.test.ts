import { expect } from 'chai';
import { build } from 'esbuild';

describe('the bundle for browsers', () => {
  it('needs nothing of Node and no package that a browser can not load', async () => {
    const { metafile } = await build({
      entryPoints: ['lib/browser.ts', 'lib/browser/captioner-worker.ts'],
      bundle: true,
      write: false,
      outdir: 'unused',
      format: 'esm',
      platform: 'browser', // node:fs and its like are then errors
      metafile: true,
      logLevel: 'silent',
    });
    const inputs = Object.keys(metafile.inputs);
    const imported = Object.values(metafile.outputs).flatMap(({ imports }) => imports.map(({ path }) => path));
    expect(imported.filter((name) => !name.startsWith('unused/'))).to.deep.equal([]);
    expect(inputs.filter((name) => /node_modules.(sharp|onnxruntime-node|koffi|wink)/.test(name))).to.deep.equal([]);
    expect(inputs).to.include('lib/search/beam.ts').and.to.include('lib/captioner/explain.ts');
  });

  it('is not loaded in Node', async () => {
    const { metafile } = await build({
      entryPoints: ['lib/index.ts', 'lib/training.ts', 'lib/viz.ts'],
      bundle: true,
      write: false,
      outdir: 'unused',
      format: 'esm',
      platform: 'node',
      packages: 'external',
      metafile: true,
      logLevel: 'silent',
    });
    const outputs = Object.values(metafile.outputs);
    expect(Object.keys(metafile.inputs).filter((name) => name.startsWith('lib/browser'))).to.deep.equal([]);
    expect(outputs.flatMap(({ imports }) => imports.map(({ path }) => path))).not.to.include('onnxruntime-web/wasm');
  });
});
