import { homedir } from 'node:os';
import path from 'node:path';

/**
 * The folder for files that can be created or fetched again: downloaded encoders and converted word
 * vectors. `CAPTIONER_CACHE` if set, else `captioner` in the operating system's cache folder:
 * `$XDG_CACHE_HOME` or `~/.cache`, `~/Library/Caches` on macOS, `%LOCALAPPDATA%` on Windows. The
 * path is absolute. The folder may not exist yet.
 */
export function cacheFolder(
  env: NodeJS.ProcessEnv = process.env,
  platform: NodeJS.Platform = process.platform,
): string {
  // The specification says to ignore a relative or empty XDG_CACHE_HOME:
  // https://specifications.freedesktop.org/basedir-spec/latest/
  if (env.CAPTIONER_CACHE) return path.resolve(env.CAPTIONER_CACHE);
  if (platform === 'win32') {
    return path.join(env.LOCALAPPDATA || path.join(homedir(), 'AppData', 'Local'), 'captioner', 'Cache');
  }
  if (platform === 'darwin') return path.join(homedir(), 'Library', 'Caches', 'captioner');
  const xdg = env.XDG_CACHE_HOME;
  return path.join(xdg && path.isAbsolute(xdg) ? xdg : path.join(homedir(), '.cache'), 'captioner');
}
