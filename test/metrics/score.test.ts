import { expect } from 'chai';
import { CaptionerError } from '../../lib/errors.js';
import { scorePredictions } from '../../lib/metrics/score.js';

const coco = {
  images: [{ id: 1 }, { id: 2 }, { id: 3 }],
  annotations: [
    { id: 10, image_id: 1, caption: 'A dog runs.' },
    { id: 11, image_id: 2, caption: "Two men's bikes." },
    { id: 12, image_id: 1, caption: 'The dog is outside .' },
  ],
};
const plain = { 1: ['A dog runs.', 'The dog is outside .'], 2: ["Two men's bikes."] };
const predictions = [
  { image_id: 2, caption: "two men's bikes" },
  { image_id: '1', caption: 'A dog runs' },
];

describe('scorePredictions', () => {
  it('tokenises both sides, and names photos by number or text', () => {
    const { corpus, images } = scorePredictions(predictions, coco);
    expect([...images.keys()]).to.deep.equal(['2', '1']);
    expect(corpus['BLEU-3']).to.be.closeTo(1, 1e-8);
    expect(images.get('2')!.CIDEr).to.be.greaterThan(5);
  });

  it("reads COCO's format and plain lists", () => {
    expect(scorePredictions(predictions, plain)).to.deep.equal(scorePredictions(predictions, coco));
    expect(
      scorePredictions([{ image_id: 'annotations', caption: 'a dog' }], { annotations: ['a dog'] }).images.size,
    ).to.equal(1);
  });

  it('reads the output of captioner caption, rows, objects and lists', () => {
    const references = { 'a.jpg': ['a dog runs'], 'b.jpg': ['two men ride bikes'] };
    const wanted = scorePredictions({ 'a.jpg': 'a dog', 'b.jpg': 'two men' }, references).corpus;
    const written = [
      {
        file: 'photos/a.jpg',
        captions: [
          { caption: 'a dog', probability: 0.5 },
          { caption: 'a cat', probability: 0.1 },
        ],
      },
      { file: 'photos/b.jpg', captions: [{ caption: 'two men', probability: 0.5 }] },
    ];
    expect(scorePredictions(written, references).corpus).to.deep.equal(wanted);
    expect(scorePredictions(['a dog', 'two men'], Object.values(references)).corpus).to.deep.equal(wanted);
    const rows = [
      { file: 'a.jpg', captions: ['a dog runs'] },
      { file: 'b.jpg', caption: 'two men ride bikes' },
    ];
    expect(scorePredictions(written, rows).corpus).to.deep.equal(wanted);
    const failed = { file: 'c.jpg', error: { code: 'bad-image', message: 'c.jpg is empty.' } };
    expect(scorePredictions([...written, failed], references).corpus).to.deep.equal(wanted);
  });

  it("identifies COCO's photos by the number in their names", () => {
    const written = [{ file: 'val2014/COCO_val2014_000000000001.jpg', captions: [{ caption: 'A dog runs.' }] }];
    expect([...scorePredictions(written, coco, { onlyPredicted: true }).images.keys()]).to.deep.equal(['1']);
  });

  it('scores an empty caption', () => {
    expect(scorePredictions([predictions[0], { image_id: 1, caption: '' }], coco).images.get('1')!.CIDEr).to.equal(0);
  });

  it('leaves out photos without a prediction only on request', () => {
    const part = [predictions[0]];
    expect(() => scorePredictions(part, coco))
      .to.throw(CaptionerError, 'no caption for 1 photo (1)')
      .with.property('code', 'mismatch');
    expect(scorePredictions(part, coco, { onlyPredicted: true }).corpus['BLEU-1']).to.be.closeTo(1, 1e-8);
  });

  for (const [given, references, complaint] of [
    [{}, coco, 'predictions must be a list'],
    [[], coco, 'no predictions'],
    [[{ caption: 'a' }], coco, 'Prediction 1 has no "image_id"'],
    [['a'], coco, 'Prediction 1 has no "image_id"'],
    [[predictions[0], { image_id: 1 }], coco, 'Prediction 2, of 1, has no "caption"'],
    [[...predictions, { image_id: 1, caption: 'again' }], coco, 'two predictions for 1'],
    [[...predictions, { image_id: 7, caption: 'a' }], coco, 'no caption for 1 photo (7)'],
    [predictions, [], 'references must be an object'],
    [predictions, {}, 'no references'],
    [predictions, { ...plain, 2: [] }, 'no caption with words for 1 photo (2)'],
    [predictions, { ...plain, 2: [' . '] }, 'no caption with words for 1 photo (2)'],
    [predictions, { ...plain, 2: 'a' }, 'references of 2 must be a list'],
    [predictions, { annotations: [{ image_id: 1 }] }, 'Annotation 1 of the references, of 1, has no "caption"'],
  ] as const) {
    it(`refuses ${JSON.stringify(given)} against ${JSON.stringify(references)}`, () => {
      expect(() => scorePredictions(given, references)).to.throw(CaptionerError, complaint);
    });
  }
});
