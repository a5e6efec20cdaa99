import { expect } from 'chai';
import type { Manifest, Split } from '../../../lib/data/datasets/manifest.js';
import { pairCaptions } from '../../../lib/data/datasets/pair-captions.js';
import { CaptionerError } from '../../../lib/errors.js';

const photo = (id: string, split: Split, ...captions: string[]) => ({ id, file: `/${id}`, split, captions });
const manifest: Manifest = {
  name: 'animals',
  problems: [],
  photos: [
    photo('giraffe.jpg', 'train', 'a giraffe stands near a tree', 'a tall giraffe eats leaves'),
    photo('train.jpg', 'train', 'a train waits at a station', 'a red train on its tracks'),
    photo('pizza.jpg', 'train', 'a pizza with cheese on a plate', 'a slice of pizza'),
    photo('zebra.jpg', 'dev', 'two zebras and a giraffe graze'),
  ],
};

describe('captions without images', () => {
  const captionsOf = (groups: string[][], options = {}) => {
    const { manifest: paired, ...counts } = pairCaptions(manifest, groups, options);
    return { counts, of: Object.fromEntries(paired.photos.map(({ id, captions }) => [id, captions])) };
  };

  it('go to the photo with the most similar captions, after its own', () => {
    const paired = captionsOf([
      ['a giraffe and a tree', 'the giraffe eats'],
      ['cheese pizza on a plate'],
      ['a train leaves the station'],
    ]);
    expect(paired.counts).to.include({ placed: 4, given: 4 });
    expect(paired.of['giraffe.jpg']).to.have.members([
      ...manifest.photos[0].captions,
      'a giraffe and a tree',
      'the giraffe eats',
    ]);
    expect(paired.of['giraffe.jpg'].slice(0, 2)).to.deep.equal(manifest.photos[0].captions);
    expect(paired.of['pizza.jpg'].slice(2)).to.deep.equal(['cheese pizza on a plate']);
    expect(paired.of['train.jpg'].slice(2)).to.deep.equal(['a train leaves the station']);
  });

  it('are left out if they fit no photo, or if a dev photo has them', () => {
    const paired = captionsOf([['an umbrella in the rain'], ['Two zebras and a giraffe graze ', 'a giraffe grazes']]);
    expect(paired.counts).to.include({ placed: 1, given: 3 });
    expect(paired.of['giraffe.jpg'].slice(2)).to.deep.equal(['a giraffe grazes']);
    expect(paired.of['zebra.jpg']).to.deep.equal(manifest.photos[3].captions);
  });

  it('are limited per photo, and the same for the same seed', () => {
    const many = Array.from({ length: 30 }, (_, i) => [`giraffe number ${i} and its tree`]);
    const [one, again, other] = [1, 1, 2].map((seed) => captionsOf(many, { mostPerPhoto: 5, seed }).of['giraffe.jpg']);
    expect(one).to.have.length(7);
    expect(again).to.deep.equal(one);
    expect(other).not.to.deep.equal(one);
  });

  it('need train photos', () => {
    expect(() => pairCaptions({ ...manifest, photos: manifest.photos.slice(3) }, [])).to.throw(
      CaptionerError,
      /no train/,
    );
  });
});
