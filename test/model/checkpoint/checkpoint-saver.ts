// Saves a checkpoint over and over until it is killed; used by checkpoint.test.ts.
import { saveCheckpoint } from '../../../lib/model/checkpoint/checkpoint.js';
import { tinyCheckpoint } from '../../fixtures/tiny-checkpoint.js';

const folder = process.argv[2];
for (let seed = 1; ; seed++) {
  saveCheckpoint(folder, tinyCheckpoint(seed), { resume: { slots: new Map(), state: { seed } } });
  process.stdout.write('.');
}
