import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { parse } from 'yaml';
import { captioner } from '../cli/captioner.js';
import { colouredPhoto, saveTinyCaptioner } from '../fixtures/tiny-captioner.js';

interface Job {
  readonly spec: {
    readonly completions: number;
    readonly template: { readonly spec: { readonly containers: readonly { readonly command: readonly string[] }[] } };
  };
}

describe('the captioning job for Kubernetes', function () {
  this.timeout(600_000).slow(60_000);
  const photos = 120;
  let folder: string;
  const at = (name: string) => path.join(folder, name);

  before(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    await saveTinyCaptioner(at('tiny'));
    fs.mkdirSync(at('photos'));
    for (let i = 0; i < photos; i++) {
      const photo = await colouredPhoto([(i * 97) % 256, (i * 41) % 256, (i * 173) % 256], { seed: i });
      fs.writeFileSync(at(`photos/${i}.jpg`), photo);
    }
    fs.writeFileSync(at('photos/broken.jpg'), 'not a photo');
  });
  after(() => fs.rmSync(folder, { recursive: true }));

  const { spec } = parse(fs.readFileSync('deploy/kubernetes/jobs/caption.yaml', 'utf8')) as Job;
  const [shell, flag, script] = spec.template.spec.containers[0].command;

  /** Starts the pod of an index: the manifest's own command, with the sources in place of the image and a folder in place of the volume. */
  const startPod = (index: number) => {
    const command = script
      .replace(
        'node dist/cli/main.js caption',
        `exec_node --import tsx cli/main.ts caption --quiet --checkpoint ${at('tiny')}`,
      )
      .replaceAll('/work/', `${folder}/`)
      .replace('exec_node', JSON.stringify(process.execPath));
    const env = { ...process.env, DEBUG: '', JOB_COMPLETION_INDEX: String(index) };
    return spawn(shell, [flag, command], { env, stdio: 'ignore', detached: true });
  };
  const records = (file: string) =>
    fs
      .readFileSync(at(file), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { file: string; captions?: { caption: string }[] })
      .flatMap(({ file: photo, captions }) => (captions ? [`${photo}: ${captions[0].caption}`] : []));

  it('gives, with a pod that is lost and started again, what one run gives', async () => {
    const whole = await captioner('caption', at('photos'), '--out', at('whole.jsonl'), '--checkpoint', at('tiny'));
    expect(whole.code).to.equal(2);
    const lost = 3;
    const shard = (index: number) => `captions.${index + 1}-of-${spec.completions}.jsonl`;
    let killed = false;
    for (let index = 0; index < spec.completions; index++) {
      const pod = startPod(index);
      const ended = once(pod, 'exit');
      if (index === lost && !killed) {
        while (!(fs.existsSync(at(shard(index))) && fs.statSync(at(shard(index))).size > 0) && pod.exitCode === null) {
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
        process.kill(-pod.pid!, 'SIGKILL');
        await ended;
        killed = true;
        index--;
        continue;
      }
      expect((await ended)[0], `index ${index}`).to.equal(0);
    }
    const shards = Array.from({ length: spec.completions }, (_, index) => records(shard(index)));
    const joined = shards.flat();
    expect(joined).to.have.length(photos);
    expect(joined.sort()).to.deep.equal(records('whole.jsonl').sort());

    // The joined file is one that the command goes on with.
    fs.writeFileSync(at('joined.jsonl'), shards.map((_, index) => fs.readFileSync(at(shard(index)))).join(''));
    const more = await captioner('caption', at('photos'), '--out', at('joined.jsonl'), '--checkpoint', at('tiny'));
    expect(more.stdout).to.match(/^120 photos have captions in .*: 0 new\.\n$/);
  });
});
