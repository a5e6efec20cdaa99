import { execFile } from 'node:child_process';
import { expect } from 'chai';

const photo = 'data/samples/officer.jpg';

/** Runs `captioner caption` as a user does. */
function caption(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ['--import', 'tsx', 'cli/main.ts', 'caption', '-q', ...args],
      (error, stdout, stderr) => {
        resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
      },
    );
  });
}

describe('captioner caption, its search', function () {
  this.timeout(120_000).slow(10_000);

  it('requires and forbids words', async () => {
    const { code, stdout } = await caption(
      photo,
      '--require',
      'dog, in front of',
      '--forbid',
      'man',
      '--n',
      '2',
      '--json',
    );
    expect(code).to.equal(0);
    const [{ captions }] = JSON.parse(stdout) as [{ captions: { caption: string }[] }];
    expect(captions).to.have.length(2);
    for (const { caption: text } of captions) {
      expect(text)
        .to.match(/\bdog\b/)
        .and.match(/\bin front of\b/);
      expect(text).not.to.match(/\bman\b/);
    }
  });

  it('draws the same captions again with the same seed', async () => {
    const [one, two] = await Promise.all(
      [1, 2].map(() => caption(photo, '--method', 'sample', '--n', '3', '--seed', '4')),
    );
    expect(one.stdout.trim().split('\n')).to.have.length(3);
    expect(two).to.deep.equal(one);
  });

  it('reports unknown words and contradictions before it begins', async () => {
    const unknown = await caption(photo, '--require', 'doog');
    expect(unknown).to.deep.include({ code: 1, stdout: '' });
    expect(unknown.stderr).to.equal("captioner: require: 'doog' is not in the vocabulary. Did you mean 'dog'?\n");
    const senseless = await caption(photo, '--temperature', '0.5');
    expect(senseless).to.deep.include({ code: 1, stdout: '' });
    expect(senseless.stderr).to.match(/^captioner: 'temperature' has no effect with method beam\. .*\n$/);
  });

  it('captions with several captioners as one if they are compatible', async () => {
    const captionBy = async (checkpoint: string) => {
      const { stdout } = await caption(photo, '--checkpoint', checkpoint, '--json');
      const [{ captions }] = JSON.parse(stdout) as [{ captions: { caption: string; logProbability: number }[] }];
      return captions.map(({ caption: text, logProbability }) => [text, logProbability.toFixed(4)]);
    };
    const alone = await captionBy('checkpoints/default');
    expect(await captionBy('checkpoints/default,checkpoints/default')).to.deep.equal(alone);
    const others = await caption(
      photo,
      '--checkpoint',
      'checkpoints/default',
      '--checkpoint',
      'checkpoints/mobilenetv2',
    );
    expect(others.code).to.equal(1);
    expect(others.stderr).to.match(/^captioner: An ensemble needs one encoder for all its checkpoints/);
  });
});
