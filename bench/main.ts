import { benchCaption } from './caption.js';
import { benchDecode } from './decode.js';
import { benchEncoder } from './encoder.js';
import { benchEndToEnd } from './end-to-end.js';
import { benchExtract } from './extract.js';
import { growthBenchmarks } from './growth.js';
import { benchServe, benchSoak } from './serve.js';
import { benchTrain } from './train.js';

/**
 * `npm run bench -- train`: each benchmark prints its result as JSON. `growth` is all of its parts. Without a name, all run
 * except the soak test.
 */
const benchmarks: Record<string, () => Promise<object>> = {
  train: benchTrain,
  caption: benchCaption,
  'end-to-end': benchEndToEnd,
  encoder: benchEncoder,
  extract: benchExtract,
  decode: benchDecode,
  ...growthBenchmarks,
  serve: benchServe,
  soak: benchSoak,
};

const all = Object.keys(benchmarks);
const isGrowth = (name: string) => name.startsWith('growth:');
const called = process.argv.slice(2).flatMap((name) => (name === 'growth' ? all.filter(isGrowth) : [name]));
const names = called.length > 0 ? called : all.filter((name) => name !== 'soak');
const unknown = names.find((name) => !Object.hasOwn(benchmarks, name));
if (unknown !== undefined) throw new Error(`Unknown benchmark '${unknown}'. Choose one of growth, ${all.join(', ')}.`);
for (const name of names) console.log(JSON.stringify({ benchmark: name, ...(await benchmarks[name]()) }, null, 2));
process.exit();
