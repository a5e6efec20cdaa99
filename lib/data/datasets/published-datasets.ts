import { existsSync } from 'node:fs';
import path from 'node:path';
import { nearest } from '../../config.js';
import { CaptionerError } from '../../errors.js';
import { flickr8kPhotoFolders, flickr8kTokens } from './flickr8k.js';
import type { RemoteFile } from '../../files/mirror.js';

/** A part of a data set as published. */
export interface PublishedArchive extends RemoteFile {
  /**
   * The files and folders to unpack, relative to the data set's folder. The rest of the archive is
   * left out.
   */
  readonly makes: readonly string[];
  /** Whether the data set's folder has them under other names. */
  readonly isThere?: (folder: string) => boolean;
  /** Size of these files in bytes. */
  readonly unpacked: number;
}

/** A data set that can be downloaded. */
export interface PublishedDataset {
  readonly name: string;
  /** One-line description of the content. */
  readonly title: string;
  /** Terms of use. They must be shown before a download. */
  readonly licence: string;
  readonly homepage: string;
  /** Its folder, relative to that of all data sets. */
  readonly folder: string;
  readonly archives: readonly PublishedArchive[];
}

const flickr8kHome = 'https://github.com/jbrownlee/Datasets/releases/download/Flickr8k/';
const cocoHome = 'http://images.cocodataset.org/';

const cocoLicence =
  'The captions are under CC BY 4.0 (COCO Consortium). The photos belong to their authors on Flickr, each under its own licence: Flickr’s terms ' +
  'of use apply, see https://cocodataset.org/#termsofuse. Cite: Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014; ' +
  'Chen et al., "Microsoft COCO Captions", 2015.';

/** An archive of COCO photos such as `train2014.zip`, stored without compression. */
function cocoPhotos(subset: string, bytes: number, sha256: string): PublishedArchive {
  const url = `${cocoHome}zips/${subset}.zip`;
  return { path: `coco/${subset}.zip`, url, bytes, sha256, makes: [subset], unpacked: bytes };
}

function cocoCaptions(year: number, bytes: number, sha256: string): PublishedArchive {
  const name = `annotations_trainval${year}.zip`;
  return {
    ...{ path: `coco/${name}`, url: `${cocoHome}annotations/${name}`, bytes, sha256 },
    makes: ['train', 'val'].map((split) => `annotations/captions_${split}${year}.json`),
    unpacked: 100e6,
  };
}

const coco2014 = [
  cocoCaptions(2014, 252872794, '031296bbc80c45a1d1f76bf9a90ead27e94e99ec629208449507a4917a3bf009'),
  cocoPhotos('train2014', 13510573713, 'ede4087e640bddba550e090eae701092534b554b42b05ac33f0300b984b31775'),
  cocoPhotos('val2014', 6645013297, 'fe9be816052049c34717e077d9e34aa60814a55679f804cd043e3cbee3b9fde0'),
];

/**
 * The data sets that `captioner download` knows. The checksums are those published by TensorFlow
 * Datasets and torchdatasets.
 */
export const publishedDatasets: readonly PublishedDataset[] = [
  {
    name: 'flickr8k',
    title: '8,091 photos with five captions each, official splits',
    licence:
      'For non-commercial research and education only. The photos belong to their authors on Flickr. Cite: Hodosh, Young and Hockenmaier, ' +
      '"Framing image description as a ranking task", JAIR 2013.',
    homepage: 'https://github.com/jbrownlee/Datasets/releases/tag/Flickr8k',
    folder: 'flickr8k',
    archives: [
      {
        path: 'flickr8k/Flickr8k_text.zip',
        url: `${flickr8kHome}Flickr8k_text.zip`,
        md5: 'bf6c1abcb8e4a833b7f922104de18627',
        makes: [
          'Flickr8k.token.txt',
          'Flickr_8k.trainImages.txt',
          'Flickr_8k.devImages.txt',
          'Flickr_8k.testImages.txt',
        ],
        isThere: (folder) => flickr8kTokens(folder) !== undefined,
        unpacked: 4e6,
      },
      {
        path: 'flickr8k/Flickr8k_Dataset.zip',
        url: `${flickr8kHome}Flickr8k_Dataset.zip`,
        md5: 'f18a1e2920de5bd84dae7cf08ec78978',
        makes: ['Flicker8k_Dataset'],
        isThere: (folder) => flickr8kPhotoFolders.some((name) => existsSync(path.join(folder, name))),
        unpacked: 1.2e9,
      },
    ],
  },
  {
    name: 'coco',
    title: '123,287 photos of COCO 2014 in Karpathy’s splits, on which most papers report',
    licence: `${cocoLicence} Splits: Karpathy and Fei-Fei, "Deep Visual-Semantic Alignments", CVPR 2015.`,
    homepage: 'https://cs.stanford.edu/people/karpathy/deepimagesent/',
    folder: 'coco2014',
    archives: [
      {
        path: 'coco/caption_datasets.zip',
        url: 'https://cs.stanford.edu/people/karpathy/deepimagesent/caption_datasets.zip',
        makes: ['dataset_coco.json'],
        unpacked: 150e6,
      },
      ...coco2014.slice(1),
    ],
  },
  {
    name: 'coco2014',
    title: '123,287 photos of COCO 2014, official train and val',
    licence: cocoLicence,
    homepage: 'https://cocodataset.org/#download',
    folder: 'coco2014',
    archives: coco2014,
  },
  {
    name: 'coco2017',
    title: '123,287 photos of COCO 2017, official train and val',
    licence: cocoLicence,
    homepage: 'https://cocodataset.org/#download',
    folder: 'coco2017',
    archives: [
      cocoCaptions(2017, 252907541, '113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268'),
      cocoPhotos('val2017', 815585330, '4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05'),
      cocoPhotos('train2017', 19336861798, '69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929'),
    ],
  },
];

/**
 * The published data set of that name. @throws CaptionerError `bad-option` listing the valid names.
 */
export function publishedDataset(name: string, others: readonly string[] = []): PublishedDataset {
  const found = publishedDatasets.find((candidate) => candidate.name === name);
  if (found) return found;
  const names = [...publishedDatasets.map((candidate) => candidate.name), ...others];
  const meant = nearest(name, names);
  throw new CaptionerError(
    'bad-option',
    `There is no '${name}' to download${meant ? `; did you mean '${meant}'?` : '.'} There are ${names.join(', ')}.`,
  );
}
