import { homedir } from 'node:os';
import path from 'node:path';

/**
 * The folder for files that can be made or fetched again: downloaded encoders, converted word vectors.
 * `CAPTIONER_CACHE` where it is set, else `captioner` in the operating system's cache folder:
 * `$XDG_CACHE_HOME` or `~/.cache`, `~/Library/Caches` on macOS, `%LOCALAPPDATA%` on Windows.
 * Absolute. It may not exist yet: whoever writes there makes it.
 */
export function cacheFolder(
  env: NodeJS.ProcessEnv = process.env,
  platform: NodeJS.Platform = process.platform,
): string {
  // A relative or empty XDG_CACHE_HOME is to be ignored: https://specifications.freedesktop.org/basedir-spec/latest/
  if (env.CAPTIONER_CACHE) return path.resolve(env.CAPTIONER_CACHE);
  if (platform === 'win32') {
    return path.join(env.LOCALAPPDATA || path.join(homedir(), 'AppData', 'Local'), 'captioner', 'Cache');
  }
  if (platform === 'darwin') return path.join(homedir(), 'Library', 'Caches', 'captioner');
  const xdg = env.XDG_CACHE_HOME;
  return path.join(xdg && path.isAbsolute(xdg) ? xdg : path.join(homedir(), '.cache'), 'captioner');
}
