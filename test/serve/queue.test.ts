import { expect } from 'chai';
import { FairQueue } from '../../serve/pool/queue.js';

describe('FairQueue', () => {
  const [a, b, c] = [{ name: 'a' }, { name: 'b' }, { name: 'c' }];
  const item = (group: { name: string }, number: number) => ({ group, number });
  const shown = (items: { group: { name: string }; number: number }[]) =>
    items.map(({ group, number }) => group.name + number);
  const filled = () => {
    const queue = new FairQueue<{ group: { name: string }; number: number }>();
    for (const [group, count] of [
      [a, 4],
      [b, 1],
      [c, 2],
    ] as const) {
      for (let number = 1; number <= count; number++) queue.add(item(group, number));
    }
    return queue;
  };

  it('gives each request its turn, and each request’s photos in order', () => {
    expect(shown(filled().take(Infinity))).to.deep.equal(['a1', 'b1', 'c1', 'a2', 'c2', 'a3', 'a4']);
  });

  it('resumes where it was', () => {
    const queue = filled();
    expect([1, 1, 2, 9].map((limit) => shown(queue.take(limit)))).to.deep.equal([
      ['a1'],
      ['b1'],
      ['c1', 'a2'],
      ['c2', 'a3', 'a4'],
    ]);
    expect(queue.size).to.equal(0);
    expect(queue.take(1)).to.deep.equal([]);
  });

  it('leaves items that are not accepted in their place', () => {
    const queue = filled();
    expect(shown(queue.take(3, ({ group }) => group !== a))).to.deep.equal(['b1', 'c1', 'c2']);
    expect(shown(queue.take(2))).to.deep.equal(['a1', 'a2']);
  });

  it('forgets removed items, and puts others back at the front', () => {
    const queue = filled();
    const [first] = queue.take(1);
    queue.putBack(first);
    const [again] = queue.take(1);
    expect(again).to.equal(first);
    expect(queue.remove(again)).to.equal(false);
    queue.putBack(again);
    expect(queue.remove(again)).to.equal(true);
    expect(queue.size).to.equal(6);
    expect(shown(queue.take(9))).to.deep.equal(['a2', 'b1', 'c1', 'a3', 'c2', 'a4']);
  });
});
