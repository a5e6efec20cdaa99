import path from 'node:path';
import { benchPhotos } from './photos.js';
import { runProgram } from './program.js';
import { median } from './rounds.js';

/** Cold start of `captioner caption photo.jpg`: time from call to exit, and peak memory. */
export async function benchCaption(): Promise<object> {
  const [photo] = benchPhotos();
  const runs = [];
  for (let i = 0; i < 8; i++) runs.push(await runProgram(['caption', photo]));
  const counted = runs.slice(1);
  return {
    what: `captioner caption ${path.basename(photo)}: seconds from call to exit, and peak memory`,
    seconds: Number(median(counted.map(({ seconds }) => seconds)).toFixed(2)),
    peakMemoryMB: Math.round(median(counted.map(({ megabytes }) => megabytes))),
    caption: runs[0].output.trim(),
  };
}
