// Bundles captioner for pages: dist/browser/captioner.js for <script type="module">, its worker, and ONNX Runtime's WebAssembly.
// The published package has the folder; any web server can serve a copy of it. ort.node.min.js, which is there too, is for Node where
// onnxruntime-node could not be installed.
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { build } from 'esbuild';

const target = 'dist/browser';
await build({
  entryPoints: { captioner: 'lib/browser.ts', 'captioner-worker': 'lib/browser/captioner-worker.ts' },
  outdir: target,
  bundle: true,
  format: 'esm',
  platform: 'browser',
  target: 'es2022',
  minify: true,
  legalComments: 'linked',
  logLevel: 'warning',
  plugins: [
    {
      name: 'english-alone',
      // zod brings its messages in fifty languages, of which one is used.
      setup: ({ onResolve }) => {
        onResolve({ filter: /locales\/index\.js$/ }, ({ resolveDir }) =>
          resolveDir.includes('zod') ? { path: path.resolve('scripts/zod-locales.mjs') } : undefined,
        );
      },
    },
  ],
});

const source = path.join(path.dirname(createRequire(import.meta.url).resolve('onnxruntime-web')), '..');
const runtime = `${target}/onnxruntime-web`;
const copyRuntime = (folder, files) => {
  mkdirSync(`${runtime}/${folder}`, { recursive: true });
  for (const file of files) copyFileSync(`${source}/dist/${file}`, `${runtime}/${folder}/${file}`);
};
copyRuntime('.', ['ort.node.min.js', 'ort-wasm-simd-threaded.mjs', 'ort-wasm-simd-threaded.wasm']);
// The build with WebGPU, which pages load only where it is wanted. At 27 MB, it is not in the published package.
const webgpu = 'ort-wasm-simd-threaded.asyncify';
copyRuntime('webgpu', ['ort.webgpu.min.mjs', `${webgpu}.mjs`, `${webgpu}.wasm`]);
const { name, version } = JSON.parse(readFileSync(`${source}/package.json`, 'utf8'));
const terms = readFileSync('LICENSE', 'utf8').replace(/^Copyright .*$/m, 'Copyright (c) Microsoft Corporation');
writeFileSync(`${runtime}/LICENSE`, `${name} ${version}, https://github.com/microsoft/onnxruntime\n\n${terms}`);
writeFileSync(`${runtime}/package.json`, '{ "type": "commonjs" }\n');
