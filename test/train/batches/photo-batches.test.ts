import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { decodePhoto, normalise } from '../../../lib/images/photo.js';
import { Vocabulary } from '../../../lib/text/vocabulary.js';
import type { PhotoWithCaptions } from '../../../lib/train/batches/caption-data.js';
import { PhotoReader, planPhotos } from '../../../lib/train/batches/photo-batches.js';
import { stripedPhotos } from '../../fixtures/striped-photos.js';

const config = { photosPerBatch: 4, captionsPerPhoto: 2, maxLength: 6, seed: 3, augment: false };

/** Photo i has i % 4 + 1 captions, of words that say whose they are. */
const photos: PhotoWithCaptions[] = Array.from({ length: 22 }, (_, i) => ({
  id: `${i}`,
  file: `${i}.png`,
  captions: Array.from({ length: (i % 4) + 1 }, (_, k) => Array.from({ length: 1 + ((i + k) % 8) }, () => 10 + i)),
}));

describe('planPhotos', () => {
  const plan = (epoch: number) => planPhotos(photos, [3, 7], epoch, config);

  it('gives each photo once in an epoch, in batches that are full except the last ones', () => {
    const plans = plan(0);
    expect(plans).to.have.length(6);
    const ids = plans.flatMap(({ photos: batch }) => batch.map(({ photo }) => photo.id));
    expect(ids).to.have.members(photos.map(({ id }) => id));
    expect(Math.max(...plans.map((batch) => batch.photos.length))).to.equal(4);
  });

  it('limits the captions of each photo, and selects others in each epoch, none longer than the batch', () => {
    const chosen = new Set<string>();
    for (let epoch = 0; epoch < 20; epoch++) {
      for (const { length, photos: batch } of plan(epoch)) {
        for (const { photo, examples } of batch) {
          expect(examples).to.have.length(Math.min(2, photo.captions.length));
          for (const { targets } of examples) expect(targets.length).to.be.at.most(length);
          if (photo.id === '3') for (const { targets } of examples) chosen.add(targets.join());
        }
      }
    }
    expect(chosen.size, 'captions of a photo that has four').to.equal(4);
  });

  it('is the same for the same epoch, and different for others', () => {
    expect(plan(2)).to.deep.equal(plan(2));
    expect(plan(2)).not.to.deep.equal(plan(3));
  });
});

describe('PhotoReader', () => {
  const normalisation = { mean: [0.5, 0.4, 0.3], std: [0.2, 0.3, 0.4] } as const;
  let folder: string;
  let files: string[];
  before(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    files = (await stripedPhotos(folder, 22, 0)).photos.map(({ file }) => file);
  });
  after(() => {
    fs.rmSync(folder, { recursive: true });
  });

  const onDisk = () => photos.map((photo, i) => ({ ...photo, file: files[i] }));
  const reader = (change: Partial<typeof config> = {}, skipped: string[] = []) =>
    new PhotoReader(16, normalisation, 8, { ...config, ...change }, (id) => void skipped.push(id));

  it('gives normalised photos, and captions with the rows of their photos', async () => {
    const [plan] = planPhotos(onDisk(), [3, 7], 0, config);
    const batch = await reader().read(plan, 0);
    const B = 8;
    expect([...batch.rows]).to.deep.equal([0, 0, 1, 1, 2, 2, 3, 3]);
    for (const [p, { photo, examples }] of plan.photos.entries()) {
      const expected = new Float32Array(3 * 16 * 16);
      normalise(await decodePhoto(photo.file, 16), 16, normalisation.mean, normalisation.std, expected, 0);
      expect(batch.photos.slice(p * 768, (p + 1) * 768)).to.deep.equal(expected);
      for (let k = 0; k < 2; k++) {
        const column = Array.from({ length: batch.length }, (_, t) => batch.targets[t * B + 2 * p + k]);
        const padded = Array.from({ length: batch.length }, (_, t) => examples[k]?.targets[t] ?? Vocabulary.PAD);
        expect(column).to.deep.equal(padded);
      }
    }
    expect(batch.weights.reduce((a, b) => a + b, 0)).to.be.closeTo(1, 1e-6);
  });

  it('gives the same whether a batch was decoded ahead or not, and other views in other steps', async () => {
    const [one, two, three] = planPhotos(onDisk(), [3, 7], 0, config);
    const ahead = reader({ augment: true });
    const batches = [await ahead.read(one, 5, two), await ahead.read(two, 6, three), await ahead.read(three, 7)];
    for (const [i, plan] of [one, two, three].entries()) {
      expect(await reader({ augment: true }).read(plan, 5 + i)).to.deep.equal(batches[i]);
    }
    const later = await reader({ augment: true }).read(one, 9);
    expect(later.photos).not.to.deep.equal(batches[0].photos);
    expect(later.targets).to.deep.equal(batches[0].targets);
    await ahead.close();
  });

  it('leaves out the captions of a photo that is damaged', async () => {
    const damaged = path.join(folder, 'damaged.png');
    fs.writeFileSync(damaged, fs.readFileSync(files[0]).subarray(0, 200));
    const [plan] = planPhotos(onDisk(), [3, 7], 0, config);
    const [first, ...rest] = plan.photos;
    const skipped: string[] = [];
    const spoilt = { ...plan, photos: [{ ...first, photo: { ...first.photo, file: damaged } }, ...rest] };
    const [whole, batch] = [await reader().read(plan, 0), await reader({}, skipped).read(spoilt, 0)];
    expect(skipped).to.deep.equal([first.photo.id]);
    expect(batch.words).to.equal(whole.words - first.examples.reduce((sum, { targets }) => sum + targets.length, 0));
    expect(batch.photos.subarray(0, 768).every((x) => x === 0)).to.equal(true);
    expect(batch.photos.subarray(768)).to.deep.equal(whole.photos.subarray(768));
    expect(batch.weights.reduce((a, b) => a + b, 0)).to.be.closeTo(1, 1e-6);
  });
});
