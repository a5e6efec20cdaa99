import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import type { Command } from 'commander';
import { addConfigOptions, checkpointFolders, defineCommand } from '../../cli/options.js';
import { DecoderConfig, SearchConfig, TrainingConfig } from '../../lib/index.js';

/** Result of a command line for a command with these configs: values, or the error. */
function run(args: string[]) {
  let said = '';
  const command: Command = defineCommand('train', 'Trains.', [['captioner train --epochs 3', 'a short run']])
    .exitOverride()
    .configureOutput({ writeOut: (text) => (said += text), writeErr: (text) => (said += text) });
  const config = addConfigOptions(
    command,
    { decoder: DecoderConfig, training: TrainingConfig, search: SearchConfig },
    { ignore: ['version'] },
  );
  try {
    command.parse(args, { from: 'user' });
    return { said, values: config.read(), given: config.given() };
  } catch (error) {
    return { said: said || (error as Error).message };
  }
}

describe('flags made from the configs', () => {
  let folder: string;
  const file = (content: unknown) => {
    const name = path.join(folder, 'train.json');
    fs.writeFileSync(name, typeof content === 'string' ? content : JSON.stringify(content));
    return name;
  };
  before(() => (folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'))));
  after(() => {
    fs.rmSync(folder, { recursive: true });
  });

  it('are the defaults when nothing is given', () => {
    const { values, given } = run([]);
    expect(values).to.deep.equal({
      decoder: DecoderConfig.parse({}),
      training: TrainingConfig.parse({}),
      search: SearchConfig.parse({}),
    });
    expect(given).to.deep.equal({ decoder: {}, training: {}, search: {} });
  });

  it('convert values to their types', () => {
    const { values } = run(['--hidden-size', '64', '--learning-rate=2e-3', '--cell', 'gru', '--no-normalize-features']);
    expect(values!.decoder).to.include({ hiddenSize: 64, cell: 'gru', normalizeFeatures: false });
    expect(values!.training.learningRate).to.equal(0.002);
  });

  it('read lists separated by commas, and from repeated flags', () => {
    const args = ['--require', 'red shirt, dog', '--require=grass', '--forbid', 'man', '--no-repeat-ngram', '2'];
    expect(run(args).values!.search).to.deep.include({
      require: ['red shirt', 'dog', 'grass'],
      forbid: ['man'],
      noRepeatNgram: 2,
    });
    expect(run(['--require', ',']).values!.search.require).to.deep.equal([]);
    const config = file({ search: { require: ['dog'], noRepeatNgram: 3 } });
    expect(run(['--config', config]).values!.search).to.deep.include({ require: ['dog'], noRepeatNgram: 3 });
  });

  it('include the section if two sections share a name', () => {
    const { values } = run(['--max-length', '12', '--search-max-length', '9']);
    expect(values!.training.maxLength).to.equal(12);
    expect(values!.search.maxLength).to.equal(9);
  });

  it('go before the config file, which goes before the defaults', () => {
    const config = file({ version: '0.1.0', hiddenSize: 32, epochs: 2, search: { beam: 7 }, decoder: { layers: 2 } });
    const { values } = run(['--config', config, '--epochs', '5']);
    expect(values!.decoder).to.include({ hiddenSize: 32, layers: 2, embeddingSize: 300 });
    expect(values!.training.epochs).to.equal(5);
    expect(values!.search.beam).to.equal(7);
  });

  it('are known by their former names, with a notice', () => {
    const { values, said } = run(['--augment', '0.3']);
    expect(values!.training.randomViewShare).to.equal(0.3);
    expect(said).to.equal('captioner: --augment is now called --random-view-share. Use the new name.\n');
    const both = run(['--augment', '0.3', '--random-view-share', '0.4']);
    expect(both.values!.training.randomViewShare, 'the present name wins').to.equal(0.4);
    expect(run(['--augment', '3']).said).to.match(/'--augment <x>' argument '3' is invalid/);
    expect(run(['--help']).said).not.to.include('--augment');
    for (const content of [{ augment: 0.1 }, { training: { augment: 0.1 } }]) {
      const config = ['--config', file(content)];
      expect(run(config).given!.training).to.deep.equal({ randomViewShare: 0.1 });
      expect(run([...config, '--random-view-share', '0.2']).values!.training.randomViewShare).to.equal(0.2);
    }
  });

  for (const [args, complaint] of [
    [['--hiden-size', '3'], /unknown option '--hiden-size'[^]*--hidden-size/],
    [['--hidden-size', 'big'], /--hidden-size <n>' argument 'big' is invalid\. Expected number/],
    [['--hidden-size', '1.5'], /--hidden-size.*'1\.5' is invalid/],
    [['--hidden-size', ''], /--hidden-size.*'' is invalid/],
    [['--beam', '0'], /'--beam <n>' argument '0' is invalid.*>=1/],
    [['--no-repeat-ngram', '-1'], /--no-repeat-ngram <n>' argument '-1' is invalid.*>=0/],
    [['--cell', 'lsmt'], /'lsmt' is invalid\. Choose one of lstm, gru, rnn\.[^]*Did you mean lstm/],
  ] as const) {
    it(`refuse ${args.join(' ')}`, () => {
      expect(run([...args]).said)
        .to.match(/^captioner: /)
        .and.to.match(complaint);
    });
  }

  for (const [content, complaint] of [
    [{ hiddnSize: 3 }, /train\.json: unknown key 'hiddnSize'\. Did you mean 'hiddenSize'\?/],
    [{ decoder: { hiddnSize: 3 } }, /train\.json: 'hiddnSize' is not known; did you mean 'hiddenSize'\?/],
    [{ hiddenSize: '3' }, /train\.json: hiddenSize: .*expected number/],
    [{ search: { beam: 0 } }, /train\.json: beam: .*>=1/],
    [{ require: 'dog' }, /train\.json: require: .*expected array/],
    [{ cell: 'lsmt' }, /train\.json: cell 'lsmt' is not one of lstm, gru, rnn; did you mean 'lstm'\?/],
    ['{"beam": ', /train\.json is not JSON/],
    ['[1]', /must contain an object/],
  ] as const) {
    it(`refuse a config file with ${JSON.stringify(content)}`, () => {
      expect(run(['--config', file(content)]).said).to.match(complaint);
    });
  }

  it('refuse a config file that is missing', () => {
    expect(run(['--config', path.join(folder, 'none.json')]).said).to.match(/none\.json can't be read/);
  });

  it('name one checkpoint or several', () => {
    expect(checkpointFolders('runs/a, runs/b')).to.deep.equal(['runs/a', 'runs/b']);
    expect(checkpointFolders('runs/b', ['runs/a'])).to.deep.equal(['runs/a', 'runs/b']);
    const named = path.join(folder, 'a,b');
    fs.mkdirSync(named);
    expect(checkpointFolders(named)).to.deep.equal([named]);
    expect(() => checkpointFolders(' ')).to.throw('Expected a folder.');
  });

  it('are in the help with type, range, choices, default and examples', () => {
    const { said } = run(['--help']);
    const help = said.replace(/\s+/g, ' ');
    expect(help).to.include('--hidden-size <n> Units in the hidden state of each layer. (1 to 8192; default 512)');
    expect(help).to.include('--cell <cell> Kind of recurrent cell. (lstm, gru or rnn; default lstm)');
    expect(help).to.include('(default yes, --no-normalize-features for no)');
    expect(help).to.include('--require <words> Words or phrases that each caption must contain, exactly as written.');
    expect(help).to.include('(separated by commas, or repeat the flag)');
    expect(help).to.include('Examples: $ captioner train --epochs 3 a short run');
  });
});
