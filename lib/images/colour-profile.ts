import { crc32, deflateSync } from 'node:zlib';
import type { Sharp, SharpOptions } from 'sharp';
import type { HeifProfile } from './heif-profile.js';

type OpenPhoto = (data: Uint8Array, options?: SharpOptions) => Sharp;

/** Bytes of a PNG before its second chunk: the signature and the header. */
const headBytes = 33;

/**
 * Converts the colours of a decoded photo to sRGB.
 *
 * libvips converts by a profile that is in a file, so the pixels become a PNG with the profile.
 * @param rgb [size, size, 3]
 * @returns [size, size, 3]; the same pixels if the profile is damaged.
 */
export async function toSrgb(
  rgb: Uint8Array,
  size: number,
  profile: HeifProfile,
  open: OpenPhoto,
): Promise<Uint8Array> {
  const photo = open(rgb, { raw: { width: size, height: size, channels: 3 } });
  const png = await photo.png({ compressionLevel: 0 }).toBuffer();
  const icc = profile === 'display-p3' ? await displayP3(open) : profile;
  try {
    const converted = await open(withProfile(png, icc)).toColourspace('srgb').removeAlpha().raw().toBuffer();
    return converted.length === rgb.length ? new Uint8Array(converted) : rgb;
  } catch {
    return rgb;
  }
}

/** Adds a chunk `iCCP` after the header of a PNG (PNG specification, third edition, 11.3.2.3). */
function withProfile(png: Uint8Array, icc: Uint8Array): Uint8Array {
  const chunk = Buffer.concat([Buffer.from('iCCPprofile\0\0', 'latin1'), deflateSync(icc)]);
  const [length, checksum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(chunk.length - 4);
  checksum.writeUInt32BE(crc32(chunk));
  return Buffer.concat([png.subarray(0, headBytes), length, chunk, checksum, png.subarray(headBytes)]);
}

/** The ICC profile of Display P3 that comes with libvips. */
async function displayP3(open: OpenPhoto): Promise<Uint8Array> {
  const pixel = open(new Uint8Array(3), { raw: { width: 1, height: 1, channels: 3 } });
  return (await open(await pixel.withIccProfile('p3').png().toBuffer()).metadata()).icc!;
}
