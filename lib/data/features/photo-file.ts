import type { View } from '../../images/view.js';
import type { Split } from '../datasets/manifest.js';

/** A photo, or a view of one. */
export interface PhotoFile {
  readonly id: string;
  readonly file: string;
  readonly split?: Split;
  readonly view?: View;
  /** The photo that this is a further view of. */
  readonly of?: string;
}
