import { crc32 } from 'node:zlib';
import { drawView, type ViewRange } from '../../images/view.js';
import { Random } from '../../random.js';
import type { PhotoFile } from './photo-file.js';

/** How far random views go from the whole photo: their captions must stay true of them. */
const range: ViewRange = { minArea: 0.5, maxStretch: 4 / 3, mirror: true, colour: 0.2 };

/** The id of a row of a feature store that holds a random view of a photo: `photo.jpg#2` is the second. @param number from 1 on. */
export const viewId = (photo: string, number: number): string => `${photo}#${number}`;

/** The photo, and the number, of a random view; undefined where an id is none of a view. */
export function parseViewId(id: string): { readonly photo: string; readonly number: number } | undefined {
  const [, photo, number] = /^(.+)#([1-9]\d*)$/s.exec(id) ?? [];
  return photo === undefined ? undefined : { photo, number: Number(number) };
}

/** Tells ids of photos from those of random views, in their order. An id with a number behind it is a view's if its photo is there, too. */
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
 * Photos, and behind them `count` random views of each train photo: the first of all, the second of all, … So more views come behind
 * fewer. What a view shows depends on its number and its photo's id alone.
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
