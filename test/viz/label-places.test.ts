import { expect } from 'chai';
import { placeLabels } from '../../lib/viz/label-places.js';

describe('labels of points', () => {
  const label = (x: number, y: number) => ({ x, y, width: 50, height: 14 });

  it('stand to the right of a point that has room there', () => {
    expect(placeLabels([label(0, 0), label(0, 100)])).to.deep.equal(['middle right', 'middle right']);
  });

  it('move to another side if they would cover a point or a label', () => {
    expect(placeLabels([label(0, 0), label(30, 0)])).to.deep.equal(['middle left', 'middle right']);
    // The first label lies to the right, where the second point's own label may not go, too.
    const [first, second] = placeLabels([label(0, 0), label(0, 6)]);
    expect(first).not.to.equal(second);
  });
});
