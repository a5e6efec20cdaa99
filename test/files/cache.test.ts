import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { cacheFolder } from '../../lib/files/cache.js';

describe('the cache folder', () => {
  it('is CAPTIONER_CACHE, made absolute', () => {
    expect(cacheFolder({ CAPTIONER_CACHE: 'x' }, 'linux')).to.equal(path.resolve('x'));
  });

  it("is in the operating system's cache folder by default", () => {
    const home = os.homedir();
    expect(cacheFolder({}, 'linux')).to.equal(path.join(home, '.cache', 'captioner'));
    expect(cacheFolder({ XDG_CACHE_HOME: '/var/x' }, 'linux')).to.equal('/var/x/captioner');
    expect(cacheFolder({ XDG_CACHE_HOME: 'relative' }, 'linux')).to.equal(path.join(home, '.cache', 'captioner'));
    expect(cacheFolder({}, 'darwin')).to.equal(path.join(home, 'Library', 'Caches', 'captioner'));
    expect(cacheFolder({ LOCALAPPDATA: '/local' }, 'win32')).to.equal(path.join('/local', 'captioner', 'Cache'));
  });
});
