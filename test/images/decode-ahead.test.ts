import { expect } from 'chai';
import { decodeAhead } from '../../lib/images/decode-ahead.js';

describe('decoding ahead', () => {
  /** Photos whose decoding ends when a test says so. */
  function photos() {
    const ends = new Map<number, { resolve: (value: string) => void; reject: (error: Error) => void }>();
    const decode = (i: number) =>
      new Promise<string>((resolve, reject) => {
        ends.set(i, { resolve, reject });
      });
    return { ends, decode, finish: (i: number) => ends.get(i)!.resolve(`photo ${i}`) };
  }

  it('gives photos in order, however they end, and begins no more than it may', async () => {
    const { ends, decode, finish } = photos();
    const decoded = decodeAhead(5, decode, 2);
    const first = decoded.next();
    expect([...ends.keys()]).to.deep.equal([0, 1]);
    finish(1);
    finish(0);
    expect((await first).value).to.equal('photo 0');
    const second = decoded.next();
    expect([...ends.keys()]).to.deep.equal([0, 1, 2]);
    expect((await second).value).to.equal('photo 1');
  });

  it('reports an error when its photo’s turn comes', async () => {
    const { ends, decode, finish } = photos();
    const decoded = decodeAhead(3, decode, 3);
    const first = decoded.next();
    ends.get(1)!.reject(new Error('damaged'));
    finish(0);
    expect((await first).value).to.equal('photo 0');
    finish(2);
    const error = await decoded.next().catch((error: unknown) => error);
    expect(error).to.be.an('error').with.property('message', 'damaged');
  });

  it('waits for what has begun when it is stopped early', async () => {
    const { ends, decode, finish } = photos();
    const decoded = decodeAhead(9, decode, 3);
    const first = decoded.next();
    finish(0);
    await first;
    let stopped = false;
    const stopping = decoded.return().then(() => (stopped = true));
    finish(1);
    await Promise.resolve();
    expect(stopped).to.equal(false);
    finish(2);
    await stopping;
    expect(ends.size).to.equal(3);
  });
});
