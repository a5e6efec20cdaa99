// Captions photos. Run it with: npx tsx examples/caption.ts photo.jpg …
// In a project of your own, import from 'captioner' instead of '../lib/index.js'.
import { Captioner } from '../lib/index.js';

const photos = process.argv.slice(2);
const captioner = await Captioner.load();
for await (const { file, captions, error } of captioner.captions(
  photos.length > 0 ? photos : ['data/samples/cat.jpg'],
)) {
  console.log(`${file}: ${captions[0]?.caption ?? error?.message}`);
}
await captioner.release();
