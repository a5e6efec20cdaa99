// Trains, or resumes training, in a separate process that can be killed; used by resume.test.ts.
import { trainCaptioner } from '../../../lib/train/decoder/captioner-training.js';
import { smallDecoder, smallTraining, twoScenes } from '../../fixtures/two-scenes.js';

const [out, changes] = process.argv.slice(2);
const { decoder, training } = JSON.parse(changes) as { decoder: object; training: object };
await trainCaptioner({
  ...twoScenes(),
  out,
  decoder: { ...smallDecoder, ...decoder },
  // Saves after every step: wherever it is killed, it has just saved or is saving.
  training: { ...smallTraining, saveEvery: 1e-9, ...training },
  resume: true,
  onStep: () => void process.stdout.write('.'),
});
