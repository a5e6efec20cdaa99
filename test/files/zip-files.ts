import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { ZipFile } from 'yazl';

/** A zip archive of the given files, by path; deflated, or stored as photos are. */
export async function zipOf(files: Readonly<Record<string, string | Buffer>>, compress = true): Promise<Buffer> {
  const zip = new ZipFile();
  for (const [name, content] of Object.entries(files)) {
    if (name.endsWith('/')) zip.addEmptyDirectory(name);
    else zip.addBuffer(Buffer.from(content), name, { compress, mtime: new Date(2020, 1, 1) });
  }
  zip.end();
  return await buffer(Readable.from(zip.outputStream));
}

/** The same archive with another name in it, of the same length: names that no tool would write. */
export function renamed(archive: Buffer, from: string, to: string): Buffer {
  if (from.length !== to.length) throw new Error('a name of the same length');
  return Buffer.from(archive.toString('latin1').replaceAll(from, to), 'latin1');
}
