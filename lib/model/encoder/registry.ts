import { CaptionerError } from '../../errors.js';
import { imagenet, nearest, type Normalisation } from '../../config.js';
import type { EncoderIdentity } from '../../data/features/encoder-identity.js';
import { fetchFile, sourceOf, type FetchOptions, type FileSource, type PublishedFile } from '../../files/mirror.js';

/** A pretrained network of the registry. */
export interface RegisteredEncoder extends Normalisation {
  readonly name: string;
  /** The classifier as its authors publish it. */
  readonly file: PublishedFile;
  /** The same network with its head already detached, which a mirror may offer instead. */
  readonly featuresFile?: PublishedFile;
  /** Length of a feature vector. */
  readonly dimension: number;
  /** Width and height of its photos. */
  readonly inputSize: number;
  readonly licence: string;
}

const zoo = 'https://huggingface.co/onnxmodelzoo/legacy_models/resolve/main/validated/vision/classification/';

function fromZoo(
  name: string,
  path: string,
  bytes: number,
  sha256: string,
  dimension: number,
  featuresFile?: PublishedFile,
): RegisteredEncoder {
  return {
    name,
    file: { path: `models/${path.split('/').at(-1)!}`, bytes, sha256, url: zoo + path },
    ...(featuresFile && { featuresFile }),
    dimension,
    inputSize: 224,
    ...imagenet,
    licence: 'Apache-2.0',
  };
}

/**
 * The encoders known by name: files of the ONNX Model Zoo (https://github.com/onnx/models), trained
 * on ImageNet.
 */
export const encoders: readonly RegisteredEncoder[] = [
  fromZoo(
    'resnet18',
    'resnet/model/resnet18-v1-7.onnx',
    46820737,
    '4e8f8653e7a2222b3904cc3fe8e304cd8b339ce1d05fd24688162f86fb6df52c',
    512,
  ),
  fromZoo(
    'resnet34',
    'resnet/model/resnet34-v1-7.onnx',
    87302588,
    '883a41b2e30ddc2e422c108b091b5e70b92d37dc5c345a2c563dcae27971e2cc',
    512,
  ),
  fromZoo(
    'resnet50',
    'resnet/model/resnet50-v1-7.onnx',
    102583340,
    'af16a04a6ec48ac494065d4439fe9dea590d337b9ca6dc328160ccf04a217b9c',
    2048,
  ),
  fromZoo(
    'resnet101',
    'resnet/model/resnet101-v1-7.onnx',
    178914043,
    '760702f6ec0138f71ebac66f4e95d1c72dc9267a8544f4d4667a53075fd0497c',
    2048,
  ),
  fromZoo(
    'resnet152',
    'resnet/model/resnet152-v1-7.onnx',
    241816206,
    'b0ec92437bf8c9d0739bf9bafdea9638e13f9e3c1e2fb766ad546cc182fd3f6d',
    2048,
  ),
  fromZoo(
    'mobilenetv2',
    'mobilenet/model/mobilenetv2-7.onnx',
    14246826,
    'c1c513582d56afceff8516c73804e484c81c6a830712ab6d682253f4a3cd042f',
    1280,
    {
      path: 'models/mobilenetv2-features.onnx',
      bytes: 8837599,
      sha256: 'bc6cfc1c80353c303474d87d3a08ef8617f8d94eb9a5dd991ae66c93201f3637',
    },
  ),
];

/**
 * The registered encoder of that name. @throws CaptionerError `bad-option` listing the valid names.
 */
export function registeredEncoder(name: string): RegisteredEncoder {
  const encoder = encoders.find((candidate) => candidate.name === name);
  if (encoder) return encoder;
  const names = encoders.map((candidate) => candidate.name);
  const meant = nearest(name, names);
  throw new CaptionerError(
    'bad-option',
    `Unknown encoder '${name}'${meant ? `; did you mean '${meant}'?` : ':'} It is one of ${names.join(', ')}, or the path of an ` +
      'ONNX file.',
  );
}

/** The registered encoder that a file with this checksum holds, whole or with its head detached. */
export function encoderOfFile(sha256: string): RegisteredEncoder | undefined {
  return encoders.find(({ file, featuresFile }) => file.sha256 === sha256 || featuresFile?.sha256 === sha256);
}

/** Whether two identities mean the same network: the same file, or the registry's classifier and its headless form. */
export function isSameNetwork(a: EncoderIdentity, b: EncoderIdentity): boolean {
  if (a.dimension !== b.dimension) return false;
  if (a.sha256 === b.sha256) return true;
  const registered = encoderOfFile(a.sha256);
  return registered !== undefined && registered === encoderOfFile(b.sha256);
}

/**
 * The path of an encoder's verified file, downloaded if it is not yet on this machine. A mirror may
 * provide it as a classifier, `models/mobilenetv2-7.onnx`, or headless,
 * `models/mobilenetv2-features.onnx`.
 *
 * @throws CaptionerError `download` if it cannot be fetched.
 */
export async function encoderFile(encoder: RegisteredEncoder, options: FetchOptions = {}): Promise<string> {
  return await fetchFile(filesOf(encoder), options);
}

/** The source of an encoder: a folder of a mirror, the cache, or a download. */
export function encoderSource(encoder: RegisteredEncoder, options: FetchOptions = {}): FileSource {
  return sourceOf(filesOf(encoder), options);
}

function filesOf({ file, featuresFile }: RegisteredEncoder): PublishedFile[] {
  return featuresFile ? [file, featuresFile] : [file];
}
