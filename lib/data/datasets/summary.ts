import { unreadFormatOfName } from '../../images/format.js';
import { parseConfig, VocabularyConfig } from '../../config.js';
import { tokenize } from '../../text/tokenizer.js';
import { Vocabulary, type Coverage } from '../../text/vocabulary.js';
import { splits, type Manifest, type Photo, type Problem } from './manifest.js';

/** Number of photos and captions in a part of a data set. */
export interface PhotoCounts {
  readonly photos: number;
  readonly captions: number;
}

/** Statistics of a data set. */
export interface DatasetSummary extends PhotoCounts {
  readonly name: string;
  /** Counts by split; `none` holds the photos in no split. Splits without photos are left out. */
  readonly splits: Readonly<Record<string, PhotoCounts>>;
  /** Captions per photo. */
  readonly captionsPerPhoto: { readonly least: number; readonly most: number };
  /** Words per caption, as counted by the tokenizer. Undefined without captions. */
  readonly words?: { readonly least: number; readonly mean: number; readonly median: number; readonly most: number };
  /**
   * Coverage of the vocabulary that training would build from the train photos (or all photos if
   * there are no splits). Undefined without captions.
   */
  readonly vocabulary?: Coverage & { readonly size: number };
  /** Problems of the manifest, and photos in unsupported formats, recognized by their names. */
  readonly problems: Manifest['problems'];
}

/** Computes the statistics of a data set. */
export function summarise({ name, photos, problems }: Manifest): DatasetSummary {
  const bySplit = [...splits, undefined].map((split) => [
    split ?? 'none',
    photos.filter((photo) => photo.split === split),
  ]);
  const perPhoto = photos.map(({ captions }) => captions.length).sort((a, b) => a - b);
  const tokenized = photos.map(({ split, captions }) => ({ split, captions: captions.map(tokenize) }));
  const lengths = tokenized.flatMap(({ captions }) => captions.map((words) => words.length));
  lengths.sort((a, b) => a - b);
  const learned = tokenized.some(({ split }) => split) ? tokenized.filter(({ split }) => split === 'train') : tokenized;
  const vocabulary = Vocabulary.build(
    learned.flatMap(({ captions }) => captions),
    parseConfig(VocabularyConfig, {}),
  );
  return {
    name,
    ...count(photos),
    splits: Object.fromEntries(
      (bySplit as [string, Photo[]][]).filter(([, some]) => some.length).map(([split, some]) => [split, count(some)]),
    ),
    captionsPerPhoto: { least: perPhoto[0] ?? 0, most: perPhoto.at(-1) ?? 0 },
    ...(lengths.length && {
      words: {
        least: lengths[0],
        mean: lengths.reduce((sum, length) => sum + length, 0) / lengths.length,
        median: lengths[Math.floor(lengths.length / 2)],
        most: lengths.at(-1)!,
      },
    }),
    ...(vocabulary.coverage.tokens > 0 && { vocabulary: { size: vocabulary.size, ...vocabulary.coverage } }),
    problems: [...problems, ...unreadPhotos(photos)],
  };
}

function unreadPhotos(photos: readonly Photo[]): Problem[] {
  return photos.flatMap(({ file }) => {
    const unread = unreadFormatOfName(file);
    return unread ? [{ source: file, message: `${unread.kind}, which is not supported. ${unread.remedy}` }] : [];
  });
}

function count(photos: readonly Photo[]): PhotoCounts {
  return { photos: photos.length, captions: photos.reduce((sum, { captions }) => sum + captions.length, 0) };
}
