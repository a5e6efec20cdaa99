// Extracts features of some photos, and says how it ended; used by the tests of this folder.
import { extractFeatures } from '../../lib/data/features/extraction.js';
import { HistogramEncoder } from '../../lib/data/features/histogram-encoder.js';
import { CaptionerError } from '../../lib/errors.js';

const [folder, photos] = process.argv.slice(2);
try {
  await extractFeatures({
    manifest: { photos: JSON.parse(photos) as { id: string; file: string }[] },
    encoder: new HistogramEncoder(),
    folder,
  });
  process.stdout.write('stored');
} catch (error) {
  if (!(error instanceof CaptionerError)) throw error;
  process.stdout.write(error.message);
}
