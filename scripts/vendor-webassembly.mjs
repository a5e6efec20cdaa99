// Copies the WebAssembly build of ONNX Runtime to dist/, where the published package looks for it when onnxruntime-node could not be
// installed. onnxruntime-web as a dependency would take 139 MB, of which these files are 14.
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';

const source = 'node_modules/onnxruntime-web';
const target = 'dist/onnxruntime-web';
mkdirSync(target, { recursive: true });
for (const file of ['ort.node.min.js', 'ort-wasm-simd-threaded.mjs', 'ort-wasm-simd-threaded.wasm']) {
  copyFileSync(`${source}/dist/${file}`, `${target}/${file}`);
}
const { name, version } = JSON.parse(readFileSync(`${source}/package.json`, 'utf8'));
const terms = readFileSync('LICENSE', 'utf8').replace(/^Copyright .*$/m, 'Copyright (c) Microsoft Corporation');
writeFileSync(`${target}/LICENSE`, `${name} ${version}, https://github.com/microsoft/onnxruntime\n\n${terms}`);
writeFileSync(`${target}/package.json`, '{ "type": "commonjs" }\n');
