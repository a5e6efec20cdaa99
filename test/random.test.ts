import { expect } from 'chai';
import { Random } from '../lib/random.js';

describe('Random', () => {
  it('fills an array with the numbers that single calls return, and continues after them', () => {
    const [all, single] = [new Random(5, 6), new Random(5, 6)];
    for (const length of [0, 1, 1000, 3]) {
      const wanted = Uint32Array.from({ length }, () => single.uint32());
      expect(new Uint32Array(all.fill(new Int32Array(length)).buffer)).to.deep.equal(wanted);
    }
    expect(all.state).to.deep.equal(single.state);
  });
});
