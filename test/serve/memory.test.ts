import fs from 'node:fs';
import { expect } from 'chai';
import sharp, { type Sharp } from 'sharp';
import { workerBytes, workerCount } from '../../serve/pool/size.js';
import { form, tinyService, type TinyService } from './tiny-service.js';

const megabyte = 2 ** 20;

/** Small files of photos that are in memory as a whole while they are decoded. */
const attacks: Record<string, (photo: Sharp) => Sharp> = {
  AVIF: (photo) => photo.avif({ effort: 0, quality: 30 }),
  'interlaced PNG of 16 bits': (photo) => photo.toColourspace('rgb16').png({ progressive: true, compressionLevel: 1 }),
  'progressive JPEG': (photo) => photo.jpeg({ progressive: true, quality: 30, chromaSubsampling: '4:4:4' }),
};

describe('the memory of a worker', function () {
  this.timeout(300_000).slow(60_000);
  const limits = { megapixelsInFlight: 6, maxMegapixels: 6, maxBufferedMegapixels: 6 };
  let service: TinyService;

  before(async function () {
    if (!fs.existsSync('/proc/self/status')) {
      console.warn('      (skipped: this system has no /proc, which tells the largest memory of a process)');
      this.skip();
    }
    service = await tinyService({ ...limits, timeout: 250 });
    await service.ready();
  });
  after(() => service?.close());

  for (const [what, encode] of Object.entries(attacks)) {
    it(`stays within its bound under eight photos at a time: ${what}`, async () => {
      const deep = what.includes('16 bits');
      const [width, height] = deep ? [1500, 2000] : [3000, 2000]; // a pixel of 16 bits counts as two
      const photo = await encode(sharp({ create: { width, height, channels: 3, background: '#888' } })).toBuffer();
      const request = form(Array.from({ length: 8 }, (_, i) => ({ name: 'p', filename: `${i}`, value: photo })));
      const { statusCode, payload } = await service.server.inject({ method: 'POST', url: '/caption', ...request });
      expect(statusCode, payload.slice(0, 300)).to.equal(200);
      expect(payload).not.to.include('"error"');
      const bound = workerBytes({ maxPixelsInFlight: limits.megapixelsInFlight * 1e6 });
      expect(largestMemory())
        .to.be.above(50 * megabyte)
        .and.below(bound);
    });
  }

  /** The largest resident memory that any worker of this process has had, in bytes. */
  function largestMemory(): number {
    const children = fs.readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim().split(' ');
    const peaks = children.map((pid) => /VmHWM:\s+(\d+) kB/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
    return 1024 * Math.max(...peaks.map((kilobytes) => Number(kilobytes ?? 0)));
  }
});

describe('the number of workers', () => {
  const use = { maxPixelsInFlight: 24e6, uploadBytes: 256 * megabyte };
  const count = (cores: number, megabytes: number) => workerCount(use, { cores, memory: megabytes * megabyte });

  it('is one per core if memory suffices', () => {
    expect([1, 2, 8].map((cores) => count(cores, 64_000))).to.deep.equal([1, 2, 8]);
  });

  it('follows memory if it is short, and is at least one', () => {
    expect(count(64, 512)).to.equal(1);
    const few = count(64, 4096);
    expect(few).to.be.within(2, 10);
    expect(few * workerBytes(use) + use.uploadBytes).to.be.below(4096 * megabyte);
  });
});
