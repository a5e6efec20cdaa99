import { expect } from 'chai';
import * as z from 'zod';
import {
  DecoderConfig,
  describeOptions,
  DistillationConfig,
  ExtractionConfig,
  FinetuneConfig,
  nearest,
  parseConfig,
  ReinforcementConfig,
  SearchConfig,
  TrainingConfig,
  VocabularyConfig,
} from '../../lib/config.js';
import { CaptionerError } from '../../lib/errors.js';

const schemas = {
  ...{ ExtractionConfig, VocabularyConfig, DecoderConfig, TrainingConfig, SearchConfig },
  ...{ FinetuneConfig, ReinforcementConfig, DistillationConfig },
};

describe('config', () => {
  for (const [name, schema] of Object.entries(schemas)) {
    it(`${name}: every option has a type, a default that is allowed, and a sentence of help`, () => {
      const options = describeOptions(schema);
      expect(options.map((option) => option.name)).to.deep.equal(Object.keys(schema.shape));
      for (const option of options) {
        expect(option.type, option.name).to.be.oneOf(['string', 'number', 'integer', 'boolean', 'strings', 'numbers']);
        expect(option.help, option.name).to.match(/^[A-Z].*\.$/s);
        expect(option.help.match(/\.(\s|$)/g), `${option.name}: at most two sentences`).to.have.length.at.most(2);
        expect(option.default, option.name).to.not.equal(undefined);
        expect(parseConfig(schema, { [option.name]: option.default })).to.have.deep.property(
          option.name,
          option.default,
        );
        if (option.choices) expect(option.choices).to.include(option.default);
      }
      // What is left open where it is not given has a default of another kind: a checkpoint's.
      const filledIn = options.filter(
        ({ name: option }) => !((schema.shape as Record<string, unknown>)[option] instanceof z.ZodOptional),
      );
      expect(parseConfig(schema, undefined)).to.deep.equal(
        Object.fromEntries(filledIn.map((option) => [option.name, option.default])),
      );
    });

    it(`${name}: values out of range are refused by name`, () => {
      for (const { name: option, minimum, maximum } of describeOptions(schema)) {
        for (const value of [
          minimum === undefined ? undefined : minimum - 1,
          maximum === undefined ? undefined : maximum + 1,
        ]) {
          if (value === undefined) continue;
          expect(() => parseConfig(schema, { [option]: value }), `${option} ${value}`).to.throw(
            CaptionerError,
            `${option}: `,
          );
        }
      }
    });
  }

  for (const [values, complaint] of [
    [{ hiddnSize: 1 }, "'hiddnSize' is not known; did you mean 'hiddenSize'?"],
    [{ zzzzzzzzzz: 1 }, "'zzzzzzzzzz' is not known, only cell, layers"],
    [{ hiddenSize: '512' }, 'hiddenSize: Invalid input: expected number'],
    [{ hiddenSize: 1.5 }, 'hiddenSize: '],
    [{ hiddenSize: NaN }, 'hiddenSize: '],
    [{ normalizeFeatures: 'yes' }, 'normalizeFeatures: '],
    [{ cell: 'LSTM' }, "cell 'LSTM' is not one of lstm, gru, rnn"],
    [{ cell: 'grü' }, "did you mean 'gru'?"],
    ['text', 'expected object'],
  ] as const) {
    it(`refuses ${JSON.stringify(values)}`, () => {
      expect(() => parseConfig(DecoderConfig, values, 'decoder.json'))
        .to.throw(CaptionerError, complaint)
        .with.property('code', 'bad-option');
      expect(() => parseConfig(DecoderConfig, values, 'decoder.json')).to.throw('In decoder.json: ');
    });
  }

  it('names all that is wrong at once', () => {
    expect(() => parseConfig(SearchConfig, { beam: 0, maxLength: 0 })).to.throw(/beam: .*; maxLength: /);
  });
});

describe('former names', () => {
  it('of hyperparameters are read; a value under the present name wins', () => {
    const { randomViews, storage } = parseConfig(ExtractionConfig, { augment: 4, precision: 'fp16' });
    expect({ randomViews, storage }).to.deep.equal({ randomViews: 4, storage: 'fp16' });
    expect(parseConfig(TrainingConfig, { augment: 0.1, randomViewShare: 0.2 }).randomViewShare).to.equal(0.2);
    expect(parseConfig(ReinforcementConfig, { augment: 0.1 }).randomViewShare).to.equal(0.1);
    expect(parseConfig(DistillationConfig, { views: 3 }).viewRounds).to.equal(3);
    expect(parseConfig(FinetuneConfig, { augment: false }).augment, 'its present name').to.equal(false);
    expect(() => parseConfig(DecoderConfig, { augment: 1 })).to.throw(CaptionerError, /'augment' is not known/);
  });
});

describe('nearest', () => {
  it('is the candidate that is spelt most alike, if any is', () => {
    const encoders = ['resnet18', 'resnet50', 'mobilenetv2'];
    expect(nearest('resnet5', encoders)).to.equal('resnet50');
    expect(nearest('mobilnet', encoders)).to.equal('mobilenetv2');
    expect(nearest('vgg', encoders)).to.equal(undefined);
    expect(nearest('x', [])).to.equal(undefined);
  });
});
