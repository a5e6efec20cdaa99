import { expect } from 'chai';
import type { Stepper } from '../../lib/search/stepper.js';
import { CaptionerError } from '../../lib/errors.js';
import { occlusion } from '../../lib/captioner/occlusion.js';

const size = 8;
const [END, A, B] = [2, 4, 5];

/** Sees only how bright the top left and the bottom right quarter of a photo are. */
const encoder = {
  inputSize: size,
  runs: 0,
  async features(photos: readonly Uint8Array[]) {
    this.runs += photos.length;
    const mean = (photo: Uint8Array, from: number) => {
      let sum = 0;
      for (let y = from; y < from + 4; y++) for (let x = from; x < from + 4; x++) sum += photo[3 * (y * size + x)];
      return sum / 16 / 255;
    };
    return Promise.resolve(Float32Array.from(photos.flatMap((photo) => [mean(photo, 0), mean(photo, 4)])));
  },
};

interface State {
  readonly rows: readonly (readonly [number, number])[];
  readonly words: number;
}

/** `a` is as likely as the top left is bright, then `b` as the bottom right is; that it ends, nothing changes. */
const stepper: Stepper<State> = {
  vocabularySize: 6,
  start: async (features, rows) =>
    Promise.resolve({
      rows: Array.from({ length: rows }, (_, i) => [features[2 * i], features[2 * i + 1]] as const),
      words: 0,
    }),
  step: async ({ rows, words }) => {
    const logProbabilities = new Float32Array(rows.length * 6).fill(-9);
    for (const [row, [topLeft, bottomRight]] of rows.entries()) {
      if (words === 0) logProbabilities[6 * row + A] = Math.log(topLeft);
      if (words === 1) logProbabilities[6 * row + B] = Math.log(bottomRight);
      if (words === 2) logProbabilities[6 * row + END] = -1;
    }
    return Promise.resolve({ logProbabilities, state: { rows, words: words + 1 } });
  },
  gather: ({ rows, words }, picked) => ({ rows: Array.from(picked, (row) => rows[row]), words }),
};

const bright = new Uint8Array(3 * size * size).fill(255);

describe('occlusion', () => {
  it('finds the part of the photo behind each word', async () => {
    const { grid, drops } = await occlusion(encoder, stepper, bright, [A, B], { grid: 2, square: 1 });
    const drop = Math.log(255 / 127);
    expect(grid).to.equal(2);
    const expected = [
      [
        [drop, 0],
        [0, 0],
      ],
      [
        [0, 0],
        [0, drop],
      ],
      [
        [0, 0],
        [0, 0],
      ],
    ];
    drops.flat(2).forEach((value, i) => expect(value).to.be.closeTo(expected.flat(2)[i], 1e-6));
  });

  it('runs the encoder once for each place, and once for the whole photo', async () => {
    encoder.runs = 0;
    const { drops } = await occlusion(encoder, stepper, bright, [A], { grid: 5 });
    expect(encoder.runs).to.equal(26);
    expect(drops.map((map) => map.map((row) => row.length))).to.deep.equal([Array(5).fill(5), Array(5).fill(5)]);
    // Squares overlap, and those at the edge are cut by it.
    expect(drops[0][1][1]).to.be.above(drops[0][0][0]).and.above(drops[0][2][2]);
    expect(drops[0][4][4]).to.equal(0);
  });

  it('leaves the photo unchanged', async () => {
    const photo = bright.slice();
    await occlusion(encoder, stepper, photo, [A]);
    expect(photo).to.deep.equal(bright);
  });

  it('stops on request, and refuses an impossible grid', async () => {
    const failure = async (options: object) =>
      occlusion(encoder, stepper, bright, [A], options).catch((error: unknown) => error);
    expect(await failure({ signal: AbortSignal.abort(new Error('enough')) })).to.have.property('message', 'enough');
    for (const grid of [0, 1.5, 9]) {
      expect(await failure({ grid }))
        .to.be.instanceOf(CaptionerError)
        .with.property('code', 'bad-option');
    }
  });
});
