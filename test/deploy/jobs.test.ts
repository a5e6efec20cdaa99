import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { parse } from 'yaml';
import { openFeatures } from '../../lib/data/features/store.js';
import { captioner } from '../cli/captioner.js';
import { colouredPhoto, saveTinyCaptioner } from '../fixtures/tiny-captioner.js';

interface Job {
  readonly spec: {
    readonly completions: number;
    readonly template: { readonly spec: { readonly containers: readonly { readonly command: readonly string[] }[] } };
  };
}

describe('the jobs for Kubernetes', function () {
  this.timeout(600_000).slow(60_000);
  const photos = 120;
  /** The pod that is killed and started again. */
  const lost = 3;
  let folder: string;
  const at = (name: string) => path.join(folder, name);

  before(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    await saveTinyCaptioner(at('tiny'));
    for (const part of ['photos', 'data/coco2014/train2014', 'data/coco2014/annotations']) {
      fs.mkdirSync(at(part), { recursive: true });
    }
    const names = Array.from({ length: photos }, (_, i) => `${i}.jpg`);
    for (const [i, name] of names.entries()) {
      const photo = await colouredPhoto([(i * 97) % 256, (i * 41) % 256, (i * 173) % 256], { seed: i });
      for (const place of ['photos', 'data/coco2014/train2014']) fs.writeFileSync(at(`${place}/${name}`), photo);
    }
    for (const place of ['photos', 'data/coco2014/train2014']) {
      fs.writeFileSync(at(`${place}/broken.jpg`), 'not a photo');
    }
    const coco = {
      images: [...names, 'broken.jpg'].map((file_name, id) => ({ id, file_name })),
      annotations: [...names, 'broken.jpg'].map((_, id) => ({ id, image_id: id, caption: 'a colour' })),
    };
    fs.writeFileSync(at('data/coco2014/annotations/captions_train2014.json'), JSON.stringify(coco));
  });
  after(() => fs.rmSync(folder, { recursive: true }));

  /** Runs the pods of a job one after the other, each with the manifest's own command, and kills one when it has written to `output`. */
  async function runJob(manifest: string, options: string, output: (index: number, of: number) => string) {
    const { spec } = parse(fs.readFileSync(`deploy/kubernetes/jobs/${manifest}`, 'utf8')) as Job;
    const [shell, flag, script] = spec.template.spec.containers[0].command;
    // The sources in place of the image, and a folder in place of the volume.
    const command = script
      .replace(/node dist\/cli\/main\.js (\w+)/, `'${process.execPath}' --import tsx cli/main.ts $1 --quiet ${options}`)
      .replaceAll('/work/', `${folder}/`);
    const startPod = (index: number) => {
      const env = { ...process.env, DEBUG: '', JOB_COMPLETION_INDEX: String(index) };
      const pod = spawn(shell, [flag, command], { env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
      let stderr = '';
      pod.stderr.on('data', (text) => (stderr += String(text)));
      pod.stdout.resume();
      // A pod has ended when each of its processes has closed its output. The shell alone may end earlier.
      const ended = once(pod, 'close').then(([code]) => ({ code: code as number | null, stderr }));
      return { pod, ended };
    };
    const outputs = Array.from({ length: spec.completions }, (_, index) => output(index + 1, spec.completions));
    const { pod, ended } = startPod(lost);
    while (!(fs.existsSync(at(outputs[lost])) && fs.statSync(at(outputs[lost])).size > 0)) {
      expect(pod.exitCode, 'exit code of the pod to be killed').to.equal(null);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    process.kill(-pod.pid!, 'SIGKILL');
    expect((await ended).code, 'the killed pod').to.equal(null);
    for (let index = 0; index < spec.completions; index++) {
      const { code, stderr } = await startPod(index).ended;
      expect(code, `index ${index}: ${stderr}`).to.equal(0);
    }
    return outputs;
  }

  const records = (file: string) =>
    fs
      .readFileSync(at(file), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { file: string; captions?: { caption: string }[] })
      .flatMap(({ file: photo, captions }) => (captions ? [`${photo}: ${captions[0].caption}`] : []));

  it('caption, with a pod that is lost and started again, as one run does', async () => {
    const whole = await captioner('caption', at('photos'), '--out', at('whole.jsonl'), '--checkpoint', at('tiny'));
    expect(whole.code).to.equal(2);
    const shards = await runJob(
      'caption.yaml',
      `--checkpoint '${at('tiny')}'`,
      (index, of) => `captions.${index}-of-${of}.jsonl`,
    );
    const joined = shards.flatMap(records);
    expect(joined).to.have.length(photos);
    expect(joined.sort()).to.deep.equal(records('whole.jsonl').sort());

    // The same command completes the joined file.
    fs.writeFileSync(at('joined.jsonl'), shards.map((shard) => fs.readFileSync(at(shard))).join(''));
    const more = await captioner('caption', at('photos'), '--out', at('joined.jsonl'), '--checkpoint', at('tiny'));
    expect(more.stdout).to.match(/^120 photos have captions in .*: 0 new\.\n$/);
  });

  it('extract features, with a pod that is lost and started again, as one run does', async () => {
    // An encoder that needs no download.
    const encoder = at('tiny/encoder.onnx');
    const extract = ['extract', '--data', at('data/coco2014'), '--features', at('whole'), '--threads', '1'];
    expect((await captioner(...extract, '--encoder', encoder, '--batch-size', '4')).code).to.equal(2);
    const shards = await runJob(
      'extract.yaml',
      `--encoder '${encoder}' --batch-size 4`,
      (index, of) => `features/coco.${index}-of-${of}/index.jsonl`,
    );
    const merged = await captioner(
      'merge',
      ...shards.map((shard) => path.dirname(at(shard))),
      '--features',
      at('merged'),
    );
    expect(merged).to.deep.include({ code: 0, stderr: '' });
    expect(rowsOf('merged')).to.deep.equal(rowsOf('whole'));
    expect(Object.keys(rowsOf('merged'))).to.have.length(photos);
  });

  const rowsOf = (name: string) => {
    const store = openFeatures(at(name));
    const rows = Object.fromEntries([...store.ids].sort().map((id) => [id, [...store.read(id)]]));
    store.close();
    return rows;
  };
});
