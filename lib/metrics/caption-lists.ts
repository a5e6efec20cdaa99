/** Reads the forms in which captions come: rows, objects by photo, and what `captioner caption` writes. */

/** A row of captions: the photo's id and a caption; undefined if a row lacks it. */
export interface CaptionRow {
  readonly id?: string;
  readonly captions?: readonly string[];
  /** Whether the row says that its photo could not be captioned. */
  readonly failed: boolean;
}

/**
 * The rows of parsed JSON, as `[{"image_id", "caption"}]`, as `captioner caption --json` and `--jsonl` write them (`{"file", "captions": [{"caption"}]}`), or by
 * photo, `{id: caption}`.
 * @returns undefined if it is none of these.
 */
export function captionRows(json: unknown): CaptionRow[] | undefined {
  if (Array.isArray(json)) return json.map(readRow);
  if (!isObject(json)) return undefined;
  if ('captions' in json || ('caption' in json && idOf(json) !== undefined) || 'error' in json) return [readRow(json)];
  const entries = Object.entries(json);
  if (!entries.length || !entries.every(([, caption]) => typeof caption === 'string')) return undefined;
  return entries.map(([id, caption]) => ({ id, captions: [caption as string], failed: false }));
}

function readRow(entry: unknown): CaptionRow {
  if (!isObject(entry)) return { failed: false };
  const { caption, captions, error } = entry;
  const texts = (Array.isArray(captions) ? captions : [caption]).map((each: unknown) =>
    isObject(each) ? (each.caption ?? '') : each,
  );
  const id = idOf(entry);
  return {
    ...(id !== undefined && { id }),
    ...(texts.every((text): text is string => typeof text === 'string') && { captions: texts }),
    failed: error !== undefined && error !== null,
  };
}

/** A number and a text name the same photo: 9 is "9". */
function idOf({ image_id: imageId, file, id, image }: Readonly<Record<string, unknown>>): string | undefined {
  const given = imageId ?? file ?? image ?? id;
  return typeof given === 'string' || typeof given === 'number' ? String(given) : undefined;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Finds the photo of a reference by other ways to name it: `photos/a.jpg` is `a.jpg` and `a`, and COCO's `COCO_val2014_000000000042.jpg` is 42.
 * @returns a function that gives the id among `ids`, or undefined.
 */
export function photoFinder(ids: Iterable<string>): (id: string) => string | undefined {
  const known = new Set(ids);
  const byName = new Map<string, string | undefined>();
  // A name that two photos share names neither.
  for (const id of known) for (const name of namesOf(id)) byName.set(name, byName.has(name) ? undefined : id);
  return (id) => {
    if (known.has(id)) return id;
    return namesOf(id)
      .map((name) => byName.get(name))
      .find((found) => found !== undefined);
  };
}

function namesOf(id: string): string[] {
  const base = id.replace(/^.*[\\/]/, '');
  const stem = base.replace(/\.(?:jpe?g|png|webp|gif|tiff?|bmp|hei[cf]|avif)$/i, '');
  const number = /_0*(\d+)$/.exec(stem)?.[1];
  return [...new Set([id, base, stem, ...(number === undefined ? [] : [number])])];
}
