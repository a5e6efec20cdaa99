/** A number for people: 8,091. */
export const count = (value: number): string => value.toLocaleString('en');

/** What a feature store has, as the beginning of a sentence. */
export function storedRows(photos: number, randomViews: number, folder: string): string {
  const views = randomViews > 0 ? ` and ${count(randomViews)} random views of the train photos` : '';
  return `${count(photos)} photos${views} have features in ${folder}`;
}
