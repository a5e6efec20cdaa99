/**
 * Our training step in its own process, to measure its peak memory. Flags and protocol are those of
 * `torch_train.py`.
 */
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { useBackend } from '../../lib/backend/index.js';
import { baseSizes, trainingStep, type StepSizes } from '../training-step.js';

const options = Object.fromEntries(Object.keys(baseSizes).map((name) => [name, { type: 'string' as const }]));
const given = Object.entries(parseArgs({ options }).values).map(([name, value]) => [name, Number(value)]);
const sizes: StepSizes = { ...baseSizes, ...(Object.fromEntries(given) as Partial<StepSizes>) };
const say = (message: object) => console.log(JSON.stringify(message));

await useBackend('onnx');
const learn = trainingStep(sizes);
await learn(); // compiles
say({ ready: true });
for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line) as { steps: number; stop?: boolean };
  if (request.stop) break;
  const start = performance.now();
  for (let i = 0; i < request.steps; i++) await learn();
  const seconds = (performance.now() - start) / 1000;
  say({ seconds, maxRssMb: process.resourceUsage().maxRSS / 1024 });
}
process.exit();
