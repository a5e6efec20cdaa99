import { benchCaption } from './caption.js';
import { benchDecode } from './decode.js';
import { benchEncoder } from './encoder.js';
import { benchExtract } from './extract.js';
import { benchGrowth } from './growth.js';
import { benchServe, benchSoak } from './serve.js';
import { benchTrain } from './train.js';

/**
 * `npm run bench -- train`: each benchmark prints its result as JSON. Without a name, all run
 * except the soak test.
 */
const benchmarks: Record<string, () => Promise<object>> = {
  train: benchTrain,
  caption: benchCaption,
  encoder: benchEncoder,
  extract: benchExtract,
  decode: benchDecode,
  growth: benchGrowth,
  serve: benchServe,
  soak: benchSoak,
};

const names = process.argv.slice(2);
for (const name of names.length > 0 ? names : Object.keys(benchmarks).filter((name) => name !== 'soak')) {
  const run = benchmarks[name];
  if (!run) throw new Error(`Unknown benchmark '${name}'. Choose one of ${Object.keys(benchmarks).join(', ')}.`);
  console.log(JSON.stringify({ benchmark: name, ...(await run()) }, null, 2));
}
process.exit();
