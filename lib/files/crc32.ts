/** CRC-32 (IEEE 802.3) of bytes in chunks, as eight hexadecimal digits. */
export function checksumOf(parts: readonly Uint8Array[]): string {
  // zlib's crc32 resets on an empty chunk.
  return parts
    .reduce((checksum, part) => (part.length ? crc32(part, checksum) : checksum), 0)
    .toString(16)
    .padStart(8, '0');
}

/** zlib's function in Node, which is several times as fast; none in a browser. */
const native = globalThis.process?.getBuiltinModule?.('node:zlib')?.crc32;

const crc32 = native ?? portableCrc32;

let table: Uint32Array | undefined;

/** CRC-32 of bytes that follow others, whose CRC-32 is `before`. */
export function portableCrc32(bytes: Uint8Array, before: number): number {
  table ??= Uint32Array.from({ length: 256 }, (_, byte) => {
    let remainder = byte;
    for (let bit = 0; bit < 8; bit++) remainder = remainder & 1 ? (remainder >>> 1) ^ 0xedb88320 : remainder >>> 1;
    return remainder;
  });
  let checksum = ~before;
  for (const byte of bytes) checksum = table[(checksum ^ byte) & 255] ^ (checksum >>> 8);
  return ~checksum >>> 0;
}
