import path from 'node:path';
import { CaptionerError } from '../errors.js';

/** A control of a notebook: one of several values is chosen. */
export interface Control<T> {
  readonly kind: 'slider' | 'dropdown';
  readonly label: string;
  readonly options: readonly { readonly label: string; readonly value: T }[];
  /** The option that is chosen at first. */
  readonly index: number;
}

/** The values of controls, by the names of the controls. */
export type ControlValues<Controls> = {
  readonly [Name in keyof Controls]: Controls[Name] extends Control<infer T> ? T : never;
};

/** A position of each control: the index of its option. */
export type Positions = readonly number[];

/**
 * A slider from `min` to `max`: `slider('beam width', { min: 1, max: 10, value: 3 })`.
 * @throws CaptionerError `bad-option`: an empty range, or a value outside of it.
 */
export function slider(
  label: string,
  { min, max, step = 1, value = min }: { min: number; max: number; step?: number; value?: number },
): Control<number> {
  const count = Math.floor((max - min) / step + 1e-9) + 1;
  if (!(step > 0 && count >= 1 && value >= min && value <= max))
    throw new CaptionerError('bad-option', `The slider '${label}' needs min <= value <= max and a step above 0.`);
  const digits = Math.max(...[min, step].map((number) => (String(number).split('.')[1] ?? '').length));
  const options = Array.from({ length: count }, (_, i) => {
    const text = (min + i * step).toFixed(digits);
    return { label: text, value: Number(text) };
  });
  const index = Math.round((value - min) / step);
  return { kind: 'slider', label, options, index };
}

/**
 * A list to choose from: `dropdown('word', ['a', 'dog', 'runs'])`.
 * @param value the item chosen at first. Default: the first one.
 * @throws CaptionerError `bad-option`: no items, or a value that is not among them.
 */
export function dropdown<T extends string | number>(label: string, items: readonly T[], value = items[0]): Control<T> {
  const index = items.indexOf(value);
  if (index < 0) throw new CaptionerError('bad-option', `The list '${label}' does not have '${value}'.`);
  return { kind: 'dropdown', label, options: items.map((item) => ({ label: String(item), value: item })), index };
}

/**
 * A list of photos to choose from.
 * @throws CaptionerError `bad-option`: no photos.
 */
export function photoPicker<Photo extends { readonly id: string }>(
  photos: readonly Photo[],
  label = 'photo',
): Control<Photo> {
  if (photos.length === 0) throw new CaptionerError('bad-option', 'There are no photos to choose from.');
  return {
    ...{ kind: 'dropdown', label, index: 0 },
    options: photos.map((photo) => ({ label: path.parse(photo.id).name, value: photo })),
  };
}

/** The values at a position. */
export function valuesAt<Controls extends Readonly<Record<string, Control<unknown>>>>(
  controls: Controls,
  positions: Positions,
): ControlValues<Controls> {
  return Object.fromEntries(
    Object.entries(controls).map(([name, { options }], i) => [name, options[positions[i]].value]),
  ) as ControlValues<Controls>;
}

/**
 * Controls with fewer options, so that there are at most `most` combinations: evenly spread over the range, the first choice included.
 */
export function thinnedControls<Controls extends Readonly<Record<string, Control<unknown>>>>(
  controls: Controls,
  most: number,
): Controls {
  const sizes = Object.values(controls).map(({ options }) => options.length);
  // The control with the most options loses one after the other.
  while (sizes.reduce((product, size) => product * size, 1) > most && Math.max(...sizes) > 1)
    sizes[sizes.indexOf(Math.max(...sizes))]--;
  const thin = <T>(control: Control<T>, size: number): Control<T> => {
    const { options, index } = control;
    const last = options.length - 1;
    const kept = new Set(
      Array.from({ length: size }, (_, i) => (size === 1 ? index : Math.round((i * last) / (size - 1)))),
    );
    if (!kept.has(index)) {
      kept.delete([...kept].reduce((a, b) => (Math.abs(b - index) < Math.abs(a - index) ? b : a)));
      kept.add(index);
    }
    const left = [...kept].sort((a, b) => a - b);
    return { ...control, options: left.map((i) => options[i]), index: left.indexOf(index) };
  };
  return Object.fromEntries(
    Object.entries(controls).map(([name, control], i) => [name, thin(control, sizes[i])]),
  ) as Controls;
}
