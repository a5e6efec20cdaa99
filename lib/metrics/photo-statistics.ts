import { createHash } from 'node:crypto';
import * as z from 'zod';
import { splits } from '../data/datasets/manifest.js';
import { CaptionerError } from '../errors.js';
import type { CaptionReport } from './report.js';
import { longestNgram } from './ngrams.js';
import { CaptionStatistics } from './statistics.js';

const count = z.int().min(0);

const PhotoRecord = z.object({
  image_id: z.string(),
  /** See `ConfidentPrediction`. */
  logProbability: z.number(),
  length: count,
  rouge: z.number(),
  cider: z.number(),
  /**
   * For n = 1 to 4: n-grams that also occur in a reference, then n-grams; then words of the caption
   * and of the reference closest in length.
   */
  counts: z.array(count).length(2 * longestNgram + 2),
});

/**
 * `photos.json` of a results folder: the statistics behind the scores of each photo. They are
 * enough to compare two runs without the references. A checksum identifies the references, because
 * CIDEr depends on all of them.
 */
const PhotoStatisticsFile = z.object({
  format: z.literal('captioner-photos'),
  version: z.literal(1),
  split: z.enum(splits as ['train', 'dev', 'test']),
  beam: z.int(),
  /** SHA-256 of photo names and references, see `referencesChecksum`. */
  references: z.string(),
  photos: z.array(PhotoRecord),
});
export type PhotoStatisticsFile = z.output<typeof PhotoStatisticsFile>;

/** The text of photos.json, one line per photo. */
export function photoStatisticsText(
  { photos, statistics }: Pick<CaptionReport, 'photos' | 'statistics'>,
  { split, beam }: Pick<PhotoStatisticsFile, 'split' | 'beam'>,
): string {
  const references = referencesChecksum(photos.map(({ image_id, references }) => [image_id, references]));
  const head = JSON.stringify({ format: 'captioner-photos', version: 1, split, beam, references });
  const lines = photos.map(({ image_id, logProbability, length }, i) => {
    const { correct, guessed, length: words, referenceLength, rouge, cider } = statistics.photo(i);
    const counts = [...correct, ...guessed, words, referenceLength];
    return JSON.stringify({ image_id, logProbability, length, rouge, cider, counts } satisfies z.output<
      typeof PhotoRecord
    >);
  });
  return `${head.slice(0, -1)},"photos":[\n${lines.join(',\n')}\n]}\n`;
}

/**
 * Parses the text of a photos.json.
 * @throws CaptionerError `corrupt` if it is not valid or has another version.
 */
export function parsePhotoStatistics(text: string, file: string): PhotoStatisticsFile {
  try {
    return PhotoStatisticsFile.parse(JSON.parse(text));
  } catch (cause) {
    throw new CaptionerError(
      'corrupt',
      `${file} is damaged or has another version. Run captioner evaluate --out again to write it.`,
      { cause },
    );
  }
}

/** The statistics of the given photos, in their order. @param ids all must be in the file. */
export function statisticsOf({ photos }: PhotoStatisticsFile, ids: readonly string[]): CaptionStatistics {
  const byId = new Map(photos.map((photo) => [photo.image_id, photo]));
  return CaptionStatistics.of(
    ids.map((id) => {
      const { counts, rouge, cider } = byId.get(id)!;
      const [length, referenceLength] = counts.slice(2 * longestNgram);
      return {
        correct: counts.slice(0, longestNgram),
        guessed: counts.slice(longestNgram, 2 * longestNgram),
        ...{ length, referenceLength, rouge, cider },
      };
    }),
  );
}

/** Checksum of photos and their references, independent of the order of the photos. */
export function referencesChecksum(photos: readonly (readonly [id: string, references: readonly string[]])[]): string {
  const sorted = [...photos].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return createHash('sha256').update(JSON.stringify(sorted)).digest('hex');
}
