import { expect } from 'chai';
import { DecoderConfig, parseConfig } from '../../../lib/config.js';
import { Random } from '../../../lib/random.js';
import { fillDropoutMask, maskShapes } from '../../../lib/train/decoder/dropout.js';

describe('fillDropoutMask', () => {
  for (const rate of [0.1, 0.35, 0.5, 0.95]) {
    it(`drops ${100 * rate} % and keeps the mean`, () => {
      const mask = fillDropoutMask(new Float32Array(200_001), rate, new Random(1));
      const dropped = mask.filter((x) => x === 0).length / mask.length;
      expect(dropped).to.be.closeTo(rate, 0.005);
      expect(new Set(mask).size).to.equal(2);
      expect(mask.reduce((sum, x) => sum + x, 0) / mask.length).to.be.closeTo(1, 0.02);
    });
  }

  it('is the same for the same seed, and fills the whole mask again', () => {
    const [one, two] = [new Float32Array(37).fill(7), new Float32Array(37)];
    fillDropoutMask(one, 0.5, new Random(1, 2));
    expect(fillDropoutMask(two, 0.5, new Random(1, 2))).to.deep.equal(one);
    expect(fillDropoutMask(two, 0.5, new Random(1, 3))).not.to.deep.equal(one);
  });
});

describe('maskShapes', () => {
  it('names a mask for each place with dropout, and none without dropout', () => {
    const rates = { featureDropout: 0.1, inputDropout: 0.2, betweenDropout: 0.3, outputDropout: 0.4 };
    const config = { layers: 3, hiddenSize: 8, embeddingSize: 5, ...rates };
    expect(maskShapes(parseConfig(DecoderConfig, config), 7, 4, 2)).to.deep.equal({
      'mask/features': { rate: 0.1, shape: [2, 7] },
      'mask/input': { rate: 0.2, shape: [8, 5] },
      'mask/between0': { rate: 0.3, shape: [8, 8] },
      'mask/between1': { rate: 0.3, shape: [8, 8] },
      'mask/output': { rate: 0.4, shape: [8, 8] },
    });
    const none = { featureDropout: 0, inputDropout: 0, betweenDropout: 0, outputDropout: 0 };
    expect(maskShapes(parseConfig(DecoderConfig, { ...config, ...none }), 7, 4, 2)).to.deep.equal({});
  });
});
