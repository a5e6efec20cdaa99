import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { Encoder } from '../lib/model/encoder/encoder.js';
import { resolveSearch } from '../lib/search/search-config.js';
import { readText } from '../lib/files/text-file.js';
import { Peer } from './peer.js';
import { loaders, peerNetworks, writeEncoderWeights, type Network } from './peer-networks.js';
import { linkedPhotos } from './photos.js';
import { root, runProgram } from './program.js';
import { alternate, median, ratioToBest } from './rounds.js';

const photos = Number(process.env.CAPTIONER_BENCH_COUNT ?? 1000);
const { beam, maxLength, lengthPenalty } = resolveSearch({});

interface PeerAnswer {
  readonly seconds: number;
  readonly maxRssMb: number;
}

/**
 * `captioner caption` from JPEG files to lines of JSON, in photos per second from call to exit, start included. Compared with a script
 * in PyTorch with the same weights, search and cores, whose start is not counted. CAPTIONER_BENCH_COUNT sets the number of photos.
 */
export async function benchEndToEnd(): Promise<object> {
  const folder = mkdtempSync(path.join(tmpdir(), 'captioner-bench-'));
  try {
    const list = path.join(folder, 'photos.txt');
    writeFileSync(list, linkedPhotos(photos, path.join(folder, 'photos')).join('\n'));
    const results: Record<string, object> = {};
    for (const network of await peerNetworks()) results[network.kind] = await measure(network, list, folder);
    return {
      what: `photos per second of captioner caption, from ${photos} JPEG files to JSON lines, beam ${beam}`,
      ...results,
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function measure({ kind, encoder, checkpoint }: Network, list: string, folder: string): Promise<object> {
  const memory: Record<string, number> = {};
  const captions: Record<string, string[]> = {};
  const ours = (name: string, precision: string) => async () => {
    const flags = ['--list', list, '--checkpoint', checkpoint, '--precision', precision, '--jsonl'];
    const { seconds, megabytes, output } = await runProgram(['caption', ...flags]);
    memory[name] = Math.round(megabytes);
    captions[name] = output
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { captions: [{ caption: string }] }).captions[0].caption);
    return captions[name].length / seconds;
  };
  const contestants: Record<string, () => Promise<number>> = {
    'captioner, fp32': ours('captioner, fp32', 'fp32'),
    'captioner, int8': ours('captioner, int8', 'int8'),
  };
  const { inputSize: size } = await Encoder.load(encoder);
  const out = path.join(folder, 'captions.jsonl');
  const weights = await writeEncoderWeights(encoder, folder);
  const flags = [
    ...['--network', kind, '--encoder-weights', weights, '--photos', list, '--size', String(size)],
    ...['--weights', path.join(checkpoint, 'decoder.safetensors'), '--vocabulary', path.join(checkpoint, 'vocab.json')],
    ...['--max-length', String(maxLength), '--length-penalty', String(lengthPenalty)],
    ...['--threads', String(availableParallelism())],
  ];
  const peers = await Peer.startPyTorch('torch_caption.py', flags, loaders);
  for (const [name, peer] of Object.entries(peers)) {
    contestants[name] = async () => {
      const { seconds, maxRssMb } = await peer.ask<PeerAnswer>({ photos, beam, out });
      memory[name] = Math.round(maxRssMb);
      captions.PyTorch = readText(out, 'The captions')
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { caption: string }).caption);
      return photos / seconds;
    };
  }
  const rates = await alternate(contestants, { rounds: 3, warmup: 0 });
  for (const peer of Object.values(peers)) peer.stop();
  const others = Object.fromEntries(Object.entries(rates).filter(([who]) => who.startsWith('PyTorch')));
  const share = (a: readonly string[], b: readonly string[] = []) =>
    Number((a.filter((caption, i) => caption === b[i]).length / a.length).toFixed(2));
  return {
    checkpoint: path.relative(root, checkpoint),
    medians: Object.fromEntries(Object.entries(rates).map(([who, values]) => [who, Number(median(values).toFixed(1))])),
    ratio: ratioToBest(rates['captioner, fp32'], others),
    ratioOfInt8: ratioToBest(rates['captioner, int8'], others),
    sameCaptionsAsFp32: {
      int8: share(captions['captioner, fp32'], captions['captioner, int8']),
      ...(captions.PyTorch && { PyTorch: share(captions['captioner, fp32'], captions.PyTorch) }),
    },
    peakMemoryMB: memory,
  };
}
