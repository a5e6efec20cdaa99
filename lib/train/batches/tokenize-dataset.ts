import { parseConfig, VocabularyConfig } from '../../config.js';
import type { Manifest, Photo, Split } from '../../data/datasets/manifest.js';
import type { FeatureStore } from '../../data/features/store.js';
import { CaptionerError } from '../../errors.js';
import { tokenize } from '../../text/tokenizer.js';
import { Vocabulary } from '../../text/vocabulary.js';

/** A photo and the words of its captions. */
export interface TokenizedPhoto extends Pick<Photo, 'id' | 'file'> {
  readonly captions: readonly (readonly string[])[];
}

/** A photo that epochs are judged by. */
interface DevPhoto extends TokenizedPhoto {
  /** Its captions as people wrote them. */
  readonly references: readonly string[];
}

/** The photos of a data set to learn from, and those to judge by. */
export interface TokenizedData {
  readonly train: readonly TokenizedPhoto[];
  readonly dev: readonly DevPhoto[];
  /** Ids of train and dev photos with captions that cannot be used, because features or a file are missing. */
  readonly without: readonly string[];
}

/**
 * The train and dev photos that have captions and features. A caption without any word is left out.
 * @throws CaptionerError `bad-input`: no photo to train on; `mismatch`: photos, but features of none of them.
 */
export function tokenizeData(manifest: Manifest, features: FeatureStore): TokenizedData {
  const data = tokenizePhotos(manifest, ({ id }) => features.has(id));
  if (data.train.length === 0) {
    throw new CaptionerError(
      'mismatch',
      `The features do not belong to the data set ${manifest.name}: none of its ${data.without.length} photos is ` +
        `among them (for example ${data.without[0]}). Run captioner extract on this data set.`,
    );
  }
  return data;
}

/**
 * The train and dev photos that have captions and are usable. A caption without any word is left out.
 * @throws CaptionerError `bad-input`: no train photo has captions.
 */
export function tokenizePhotos(manifest: Manifest, isUsable: (photo: Photo) => boolean): TokenizedData {
  if (captioned(manifest, 'train').length === 0) {
    throw new CaptionerError('bad-input', `The data set ${manifest.name} has no train photos with captions.`);
  }
  const without: string[] = [];
  const usable = (split: Split) =>
    captioned(manifest, split).filter((photo) => isUsable(photo) || (without.push(photo.id), false));
  const words = ({ id, file, captions }: Photo) => ({
    id,
    file,
    captions: captions.map(tokenize).filter((caption) => caption.length),
  });
  const train = usable('train')
    .map(words)
    .filter(({ captions }) => captions.length);
  const dev = usable('dev').map((photo) => ({ ...words(photo), references: photo.captions }));
  return { train, dev, without };
}

const captioned = ({ photos }: Manifest, split: Split) =>
  photos.filter((photo) => photo.split === split && photo.captions.some((caption) => caption.trim()));

/** The vocabulary of the captions to be trained on. */
export function buildVocabulary({ train }: TokenizedData, config: Partial<VocabularyConfig> = {}): Vocabulary {
  const captions = train.flatMap((photo) => photo.captions);
  return Vocabulary.build(captions, parseConfig(VocabularyConfig, config));
}
