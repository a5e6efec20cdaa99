import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Captioner } from '../lib/captioner/captioner.js';
import { resolveSearch } from '../lib/search/search-config.js';
import { encodeSafetensors } from '../lib/files/safetensors.js';
import { Peer } from './peer.js';
import { photoFeatures } from './photos.js';
import { root } from './program.js';
import { alternate, median, ratioToBest } from './rounds.js';

const photos = 64;
const beams = [3, 20];
const checkpoint = path.join(root, 'checkpoints', 'default');
const { maxLength, lengthPenalty } = resolveSearch({});

type Contestants = Record<string, () => Promise<number>>;

/**
 * Beam search from features to words, in captions per second: 64 photos one at a time and as one
 * batch, compared with a straightforward search in PyTorch with the same weights on the same CPU.
 */
export async function benchDecode(): Promise<object> {
  const captioner = await Captioner.load(checkpoint);
  const quantized = await Captioner.load(checkpoint, { precision: 'int8' });
  const features = await photoFeatures(await captioner.ready(), photos);
  const width = features.length / photos;
  const peers = await startPeers(features, width);
  const results: Record<string, object> = {};
  const memory: Record<string, number> = {};
  for (const beam of beams) {
    const search = { beam, maxLength, lengthPenalty };
    const found = new Map<Captioner, string[]>();
    const single = (captioner: Captioner) =>
      timed(async () => {
        for (let row = 0; row < photos; row++) {
          await captioner.captionFeatures(features.subarray(row * width, (row + 1) * width), 1, search);
        }
      });
    const together = (captioner: Captioner) =>
      timed(async () => {
        const captions = await captioner.captionFeatures(features, photos, search);
        found.set(
          captioner,
          captions.map(([{ caption }]) => caption),
        );
      });
    const contestants: Contestants = Object.fromEntries(
      Object.entries({ fp32: captioner, int8: quantized }).flatMap(([precision, captioner]) => [
        [`1 photo at a time, ${precision}`, single(captioner)],
        [`${photos} photos together, ${precision}`, together(captioner)],
      ]),
    );
    const ours = Object.keys(contestants);
    const answers: Record<string, readonly number[][]> = {};
    for (const [name, peer] of Object.entries(peers)) {
      for (const bound of [false, true]) {
        const called = bound ? `${name}, with the same early stopping` : name;
        contestants[called] = async () => {
          const { seconds, captions, maxRssMb } = await peer.ask<PeerAnswer>({ beam, bound });
          answers[called] = captions;
          memory[name] = Math.round(maxRssMb);
          return photos / seconds;
        };
      }
    }
    const rates = await alternate(contestants, { rounds: 5, warmup: 1 });
    const theirs = (bound: boolean) =>
      Object.fromEntries(
        Object.entries(rates).filter(
          ([name]) => !ours.includes(name) && name.endsWith('with the same early stopping') === bound,
        ),
      );
    const ratios = (bound: boolean) =>
      Object.fromEntries(ours.map((name) => [name, ratioToBest(rates[name], theirs(bound))]));
    const { vocabulary } = captioner.checkpoint;
    const share = (captions: readonly string[]) =>
      Number((captions.filter((caption, i) => caption === found.get(captioner)![i]).length / photos).toFixed(2));
    const same = Object.entries(answers).map(([name, captions]) => [
      name,
      share(captions.map((tokens) => vocabulary.decode(tokens, { unknown: true }))),
    ]);
    results[`beam of ${beam}`] = {
      medians: Object.fromEntries(Object.entries(rates).map(([name, all]) => [name, Number(median(all).toFixed(1))])),
      ratio: ratios(false),
      ratioWhenEndingAsEarly: ratios(true),
      sameCaptionsAsFp32: { int8: share(found.get(quantized)!), ...Object.fromEntries(same) } as Record<string, number>,
    };
  }
  for (const peer of Object.values(peers)) peer.stop();
  await captioner.release();
  await quantized.release();
  return {
    what: `captions per second of beam search from features, at most ${maxLength} words, length penalty ${lengthPenalty}`,
    ...results,
    peakMemoryMB: { captioner: Math.round(process.resourceUsage().maxRSS / 1024), ...memory },
  };
}

interface PeerAnswer {
  readonly seconds: number;
  readonly captions: readonly number[][];
  readonly maxRssMb: number;
}

/** Captions per second over all photos. */
function timed(captionAll: () => Promise<void>): () => Promise<number> {
  return async () => {
    const start = performance.now();
    await captionAll();
    return photos / ((performance.now() - start) / 1000);
  };
}

/** PyTorch with one thread and with two. */
async function startPeers(features: Float32Array, width: number): Promise<Record<string, Peer>> {
  const folder = mkdtempSync(path.join(tmpdir(), 'captioner-bench-'));
  const file = path.join(folder, 'features.safetensors');
  writeFileSync(file, encodeSafetensors(new Map([['features', { shape: [photos, width], data: features }]])));
  const weights = path.join(checkpoint, 'decoder.safetensors');
  const flags = ['--weights', weights, '--features', file];
  const options = ['--max-length', String(maxLength), '--length-penalty', String(lengthPenalty)];
  try {
    return await Peer.startPyTorch('torch_decode.py', [...flags, ...options]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
