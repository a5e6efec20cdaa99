import { crc32 } from 'node:zlib';
import { drawView, type ViewRange } from '../../images/view.js';
import { Random } from '../../random.js';
import type { PhotoFile } from './photo-file.js';

/** Range of random views, narrow enough for the captions to stay true of them. */
const range: ViewRange = { minArea: 0.5, maxStretch: 4 / 3, mirror: true, colour: 0.2 };

/**
 * The id of the row of a random view: `photo.jpg#2` is the second view of `photo.jpg`. @param
 * number counted from 1.
 */
export const viewId = (photo: string, number: number): string => `${photo}#${number}`;

/** The photo and the number of a random view; undefined if the id is not that of a view. */
export function parseViewId(id: string): { readonly photo: string; readonly number: number } | undefined {
  const [, photo, number] = /^(.+)#([1-9]\d*)$/s.exec(id) ?? [];
  return photo === undefined ? undefined : { photo, number: Number(number) };
}

/**
 * Separates the ids of photos from those of random views, keeping their order. An id with a number
 * suffix is that of a view if its photo is present, too.
 */
export function separateViews(
  ids: Iterable<string>,
  has: (id: string) => boolean,
): { readonly photos: readonly string[]; readonly randomViews: readonly string[] } {
  const rows: { photos: string[]; randomViews: string[] } = { photos: [], randomViews: [] };
  for (const id of ids) {
    const view = parseViewId(id);
    (view && has(view.photo) ? rows.randomViews : rows.photos).push(id);
  }
  return rows;
}

/**
 * Photos, followed by `count` random views of each train photo: the first view of every photo, then
 * the second of every photo, and so on. Asking for more views therefore appends to the list. A view
 * depends only on its number and its photo's id.
 */
export function withRandomViews(photos: readonly PhotoFile[], count: number): PhotoFile[] {
  const train = photos.filter(({ split }) => split === 'train');
  const views = Array.from({ length: count }, (_, i) =>
    train.map(({ id, file }) => ({
      ...{ id: viewId(id, i + 1), file, of: id },
      view: drawView(new Random(i + 1, crc32(id)), range),
    })),
  );
  return [...photos, ...views.flat()];
}
