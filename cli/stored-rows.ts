/** A number with separators: 8,091. */
export const count = (value: number): string => value.toLocaleString('en');

/** The contents of a feature store, as the start of a sentence. */
export function storedRows(photos: number, randomViews: number, folder: string): string {
  const views = randomViews > 0 ? ` and ${count(randomViews)} random views of the training photos` : '';
  return `${count(photos)} photos${views} have features in ${folder}`;
}
