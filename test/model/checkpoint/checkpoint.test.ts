import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { CaptionerError } from '../../../lib/errors.js';
import {
  checkEncoder,
  findCheckpoint,
  loadCheckpoint,
  loadResumeState,
  saveCheckpoint,
} from '../../../lib/model/checkpoint/checkpoint.js';
import { Random } from '../../../lib/random.js';
import { tinyCheckpoint } from '../../fixtures/tiny-checkpoint.js';

describe('checkpoint', () => {
  let scratch: string;
  let folder: string;

  beforeEach(() => {
    scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    folder = path.join(scratch, 'checkpoint');
  });
  afterEach(() => {
    fs.rmSync(scratch, { recursive: true });
  });

  const edit = (name: string, change: (json: Record<string, never>) => unknown) => {
    const file = path.join(folder, name);
    fs.writeFileSync(file, JSON.stringify(change(JSON.parse(fs.readFileSync(file, 'utf8')) as Record<string, never>)));
  };
  const refused = (code: string, message: RegExp) => {
    expect(() => loadCheckpoint(folder))
      .to.throw(CaptionerError, message)
      .with.property('code', code);
  };

  it('is read as it was saved', () => {
    const saved = tinyCheckpoint(5, { cell: 'gru', layers: 2 });
    saveCheckpoint(folder, saved);
    expect(fs.readdirSync(scratch), 'nothing is left beside it').to.deep.equal(['checkpoint']);
    const { weights, config, vocabulary, graphs } = loadCheckpoint(folder);
    expect(weights).to.deep.equal(saved.weights);
    expect(config).to.deep.equal(saved.config);
    expect(vocabulary.words).to.deep.equal(saved.vocabulary.words);
    expect([...graphs].map(([name, bytes]) => [name, [...bytes]])).to.deep.equal([
      ['decoder-start.onnx', [1, 2, 3]],
      ['decoder.onnx', [4, 5]],
    ]);
  });

  it('holds history, card and resume state if given', () => {
    const slots = new Map([['m/embedding', { shape: [2], data: Float32Array.of(1 / 3, 1e-30) }]]);
    const state = { step: 7, best: 0.1 + 0.2 };
    saveCheckpoint(folder, tinyCheckpoint(), { history: '{}\n', card: '# Card\n', resume: { slots, state } });
    expect(loadResumeState(folder)).to.deep.equal({ slots, state });
    expect(fs.readFileSync(path.join(folder, 'history.jsonl'), 'utf8')).to.equal('{}\n');
    expect(fs.readFileSync(path.join(folder, 'README.md'), 'utf8')).to.equal('# Card\n');
    saveCheckpoint(folder, tinyCheckpoint());
    expect(() => loadResumeState(folder)).to.throw(CaptionerError, /training cannot be resumed/);
  });

  it('is half as large in fp16', () => {
    const size = (storage: 'fp16' | 'fp32') => {
      saveCheckpoint(folder, tinyCheckpoint(1, { hiddenSize: 64 }), { storage });
      return fs.statSync(path.join(folder, 'decoder.safetensors')).size;
    };
    expect(size('fp16')).to.be.below(0.55 * size('fp32'));
    expect(loadCheckpoint(folder).weights.get('lstm0/bias')!.data.length).to.equal(256);
  });

  it('is read with the former names of its hyperparameters', () => {
    saveCheckpoint(folder, tinyCheckpoint(1));
    const file = path.join(folder, 'config.json');
    const config = JSON.parse(fs.readFileSync(file, 'utf8')) as { training: Record<string, unknown> };
    const { randomViewShare, ...training } = config.training;
    expect(randomViewShare).to.be.a('number');
    fs.writeFileSync(file, JSON.stringify({ ...config, training: { ...training, augment: 0.25 } }));
    const read = loadCheckpoint(folder).config.training;
    expect(read.randomViewShare).to.equal(0.25);
    expect(read).not.to.have.property('augment');
  });

  it('is found in a training run’s folder: the best, else the last', () => {
    saveCheckpoint(path.join(folder, 'last'), tinyCheckpoint(1));
    expect(loadCheckpoint(folder).config.trained.steps).to.equal(1);
    saveCheckpoint(path.join(folder, 'best'), tinyCheckpoint(2));
    expect(loadCheckpoint(folder).config.trained.steps).to.equal(2);
    expect(() => findCheckpoint(scratch)).to.throw(CaptionerError, /no checkpoint in .*no config\.json/);
  });

  it('does not replace a folder that is not a checkpoint', () => {
    fs.mkdirSync(folder);
    fs.writeFileSync(path.join(folder, 'thesis.txt'), 'ten years of work');
    expect(() => {
      saveCheckpoint(folder, tinyCheckpoint());
    }).to.throw(CaptionerError, /not replaced/);
    expect(fs.readdirSync(folder)).to.deep.equal(['thesis.txt']);
  });

  it('names the field that does not fit', () => {
    const fits = () => {
      saveCheckpoint(folder, tinyCheckpoint());
    };
    const config = (change: object) => {
      fits();
      edit('config.json', (json) => ({ ...json, ...change }));
    };
    const { decoder } = tinyCheckpoint().config;
    config({ decoder: { ...decoder, hiddenSize: 8 } });
    refused('mismatch', /'init\/kernel' has shape \[6, 8\] instead of \[6, 16\]/);
    config({ decoder: { ...decoder, layers: 2 } });
    refused('mismatch', /'init\/kernel'/);
    config({ decoder: { ...decoder, normalizeFeatures: false } });
    refused('mismatch', /the decoder has no 'features\/mean'/);
    config({ decoder: { ...decoder, cell: 'transformer' } });
    refused('corrupt', /config\.json is damaged or of another version: decoder\.cell/);
    config({ vocabularySize: 9 });
    refused('mismatch', /vocab\.json has 7 words, but vocabularySize in config\.json is 9/);
    config({ encoder: undefined });
    refused('corrupt', /encoder/);
    config({ format: 2, captioner: '9.9.9' });
    refused('corrupt', /format 2, written by captioner 9\.9\.9\. This version reads formats up to 1/);
    fits();
    edit('vocab.json', ({ words }) => ({ words }));
    refused('corrupt', /vocab\.json.*counts/);
    fits();
    fs.truncateSync(path.join(folder, 'decoder.safetensors'), 500);
    refused('corrupt', /decoder\.safetensors/);
    fits();
    fs.writeFileSync(path.join(folder, 'config.json'), '{"format": 1');
    refused('corrupt', /config\.json is damaged: it is not JSON/);
    fits();
    fs.rmSync(path.join(folder, 'decoder.safetensors'));
    refused('not-found', /There is no .*decoder\.safetensors\. The checkpoint is incomplete/);
  });

  it('reads an old config without a newer hyperparameter', () => {
    saveCheckpoint(folder, tinyCheckpoint());
    edit('config.json', (json) => {
      const { saveEvery, ...training } = json.training as { saveEvery: number };
      expect(saveEvery).to.be.a('number');
      return { ...json, training };
    });
    expect(loadCheckpoint(folder).config).to.deep.equal(tinyCheckpoint().config);
  });

  it('refuses features of another encoder', () => {
    const { config } = tinyCheckpoint();
    checkEncoder(config, { ...config.encoder, name: 'the same by another name' }, 'These');
    for (const other of [{ sha256: '0'.repeat(64) }, { dimension: 7 }]) {
      expect(() => {
        checkEncoder(config, { ...config.encoder, name: 'big', ...other }, 'The features of x');
      })
        .to.throw(
          CaptionerError,
          /The features of x come from the encoder 'big' .*, but the checkpoint was trained with 'tiny'/,
        )
        .with.property('code', 'mismatch');
    }
  });

  it('is found after a kill between its two renames, and can be saved again', () => {
    saveCheckpoint(folder, tinyCheckpoint(1));
    fs.renameSync(folder, `${folder}.old`);
    fs.mkdirSync(`${folder}.new`);
    expect(loadCheckpoint(folder).config.trained.steps).to.equal(1);
    saveCheckpoint(folder, tinyCheckpoint(2));
    expect(loadCheckpoint(folder).config.trained.steps).to.equal(2);
    expect(fs.readdirSync(scratch)).to.deep.equal(['checkpoint']);
  });

  it('is whole, old or new, after kill -9 at any moment of saving', async () => {
    const saver = fileURLToPath(new URL('checkpoint-saver.ts', import.meta.url));
    const random = new Random(1);
    let last = 0;
    for (let kill = 0; kill < 6; kill++) {
      const child = spawn(process.execPath, ['--import', 'tsx', saver, folder], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const gone = once(child, 'exit');
      let saves = 0;
      const killed = new Promise<void>((resolve) => {
        child.stdout.on('data', (dots: Buffer) => {
          saves += dots.length;
          if (saves < 3 + random.integer(20)) return;
          const until = performance.now() + 3 * random.uniform();
          while (performance.now() < until);
          child.kill('SIGKILL');
          resolve();
        });
      });
      await Promise.race([killed, gone]);
      await gone;
      const { config, weights } = loadCheckpoint(folder);
      const { steps } = config.trained;
      expect(weights, 'all parts are of the same save').to.deep.equal(tinyCheckpoint(steps).weights);
      expect(loadResumeState(folder).state).to.deep.equal({ seed: steps });
      last = Math.max(last, steps);
    }
    expect(last).to.be.above(2);
  });
});
