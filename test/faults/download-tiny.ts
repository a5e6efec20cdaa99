// Takes a data set from a mirror, in a process of its own that can be killed; used by kill.test.ts.
import { downloadDataset } from '../../lib/data/datasets/dataset-download.js';

const [folder, mirror] = process.argv.slice(2);
await downloadDataset(
  {
    ...{ name: 'tiny', title: '', licence: '', homepage: '', folder: 'tiny' },
    archives: ['a', 'b'].map((name) => ({ path: `${name}.zip`, makes: [name], unpacked: 0 })),
  },
  {
    folder,
    mirror,
    progress: { start: () => undefined, update: () => void process.stdout.write('.'), stop: () => undefined },
  },
);
