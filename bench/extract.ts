import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { openFeatures } from '../lib/data/features/store.js';
import { extractFeatures } from '../lib/data/features/extraction.js';
import { Encoder } from '../lib/model/encoder/encoder.js';
import { describeEncoder, readEncoder } from '../lib/model/encoder/encoder-source.js';
import { quantizeEncoder } from '../lib/model/encoder/quantize-encoder.js';
import { int8FormOf } from '../lib/model/checkpoint/find-encoder.js';
import { decodePhoto } from '../lib/images/photo.js';
import { Peer } from './peer.js';
import { loaders, peerNetworks, writeEncoderWeights, type Network } from './peer-networks.js';
import { benchPhotos } from './photos.js';
import { alternate, median, ratioToBest } from './rounds.js';

/**
 * Feature extraction from JPEG files to features on disk, in photos per second, as in
 * `captioner extract`. Compared with a Pillow data loader and the same network in PyTorch on the
 * same CPU.
 */
export async function benchExtract(): Promise<object> {
  const folder = mkdtempSync(path.join(tmpdir(), 'captioner-bench-'));
  try {
    const results: Record<string, object> = {};
    for (const network of await peerNetworks()) results[network.kind] = await measure(network, folder);
    return {
      what: `photos per second, from ${benchPhotos().length} JPEG files, repeated, to features on disk`,
      ...results,
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function measure({ kind, encoder: name }: Network, folder: string): Promise<object> {
  const photosPerRound = kind === 'convnet' ? 512 : 256;
  const files = benchPhotos();
  const encoder = await Encoder.load(name);
  const manifest = {
    photos: Array.from({ length: photosPerRound }, (_, i) => ({ id: String(i), file: files[i % files.length] })),
  };
  const store = path.join(folder, kind);
  const extracting = async (encoder: Encoder, store: string) => {
    rmSync(store, { recursive: true, force: true });
    const start = performance.now();
    const { added, skipped } = await extractFeatures({ manifest, encoder, folder: store });
    if (skipped.length) throw new Error(`${skipped[0].id} was skipped: ${skipped[0].reason}`);
    return added / ((performance.now() - start) / 1000);
  };
  const int8Store = path.join(folder, `${kind}-int8`);
  const int8 = await inInt8(name, files);
  const contestants: Record<string, () => Promise<number>> = {
    captioner: () => extracting(encoder, store),
    [ours]: () => extracting(int8, int8Store),
    ...(await roofline(files, { fp32: encoder, int8 })),
  };

  const weights = await writeEncoderWeights(name, folder);
  const list = path.join(folder, 'photos.txt');
  writeFileSync(list, files.join('\n'));
  const given = ['--network', kind, '--weights', weights, '--photos', list, '--size', String(encoder.inputSize)];
  const threads = ['--threads', String(availableParallelism())];
  const memory: Record<string, number> = {};
  const out = path.join(folder, `${kind}.bin`);
  const peers = await Peer.startPyTorch('torch_extract.py', [...given, ...threads], loaders);
  for (const [called, peer] of Object.entries(peers)) {
    contestants[called] = async () => {
      const { seconds, maxRssMb } = await peer.ask<PeerAnswer>({ photos: photosPerRound, out });
      memory[called] = Math.round(maxRssMb);
      return photosPerRound / seconds;
    };
  }

  const rates = await alternate(contestants, { rounds: 5, warmup: 1 });
  for (const peer of Object.values(peers)) peer.stop();
  const isCompared = Object.keys(peers).length > 0;
  const others = Object.fromEntries(Object.entries(rates).filter(([who]) => who.startsWith('PyTorch')));
  const agreement = isCompared && meanCosine(store, out, encoder.dimension);
  const agreementOfInt8 = isCompared && meanCosine(int8Store, out, encoder.dimension);
  await Promise.all([encoder.release(), int8.release()]);
  return {
    pixels: encoder.inputSize,
    medians: Object.fromEntries(Object.entries(rates).map(([who, values]) => [who, Number(median(values).toFixed(1))])),
    ratio: ratioToBest(rates.captioner, others),
    ratioOfInt8: ratioToBest(rates[ours], others),
    ...(agreement && { cosineOfFeatures: Number(agreement.toFixed(4)) }),
    ...(agreementOfInt8 && { cosineOfInt8Features: Number(agreementOfInt8.toFixed(4)) }),
    peakMemoryMB: { captioner: Math.round(process.resourceUsage().maxRSS / 1024), ...memory },
  };
}

/** The name of extraction in 8 bits. */
const ours = 'captioner, int8';

/** The encoder in 8 bits: its file, or else one that is calibrated on the photos of the benchmark. */
async function inInt8(name: string, files: readonly string[]): Promise<Encoder> {
  const file = int8FormOf(name);
  if (file !== undefined) return await Encoder.load(file);
  const source = await readEncoder(name);
  const decode = (size: number) => Promise.all(files.slice(0, 200).map((photo) => decodePhoto(photo, size)));
  const { bytes } = await quantizeEncoder(source, decode);
  return await Encoder.open(describeEncoder(bytes, source.file));
}

/** The limits that decoding JPEGs alone and each network alone set. */
async function roofline(
  files: readonly string[],
  encoders: Readonly<Record<string, Encoder>>,
): Promise<Record<string, () => Promise<number>>> {
  const size = Object.values(encoders)[0].inputSize;
  const some = Array.from({ length: 64 }, (_, i) => files[i % files.length]);
  const decode = () => Promise.all(some.map((file) => decodePhoto(file, size)));
  const pixels = await decode();
  const rate = (work: () => Promise<unknown>) => async () => {
    const start = performance.now();
    await work();
    return some.length / ((performance.now() - start) / 1000);
  };
  return {
    'decoding alone': rate(decode),
    ...Object.fromEntries(
      Object.entries(encoders).map(([arithmetic, encoder]) => [
        `network alone, ${arithmetic}`,
        rate(() => encoder.features(pixels)),
      ]),
    ),
  };
}

interface PeerAnswer {
  readonly seconds: number;
  readonly maxRssMb: number;
}

/**
 * Mean cosine similarity of both sides' features, to verify that the networks are the same. It is
 * below 1 because photos are resized with different filters.
 */
function meanCosine(store: string, file: string, dimension: number): number {
  const bytes = readFileSync(file);
  const theirs = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const features = openFeatures(store);
  try {
    const cosines = features.ids.map((id, row) => {
      let [product, ofOurs, ofTheirs] = [0, 0, 0];
      features.read(id).forEach((x, i) => {
        const y = theirs[row * dimension + i];
        product += x * y;
        ofOurs += x * x;
        ofTheirs += y * y;
      });
      return product / Math.sqrt(ofOurs * ofTheirs);
    });
    return cosines.reduce((sum, cosine) => sum + cosine, 0) / cosines.length;
  } finally {
    features.close();
  }
}
