import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { Captioner } from '../../lib/index.js';

/**
 * The same captioner behind a minimal handler: one photo at a time, in one thread. In fp32, or with
 * `plain-server.ts int8`.
 */
const precision = process.argv[2] === 'int8' ? 'int8' : 'fp32';
const captioner = await Captioner.load(undefined, { precision });
await captioner.ready();
const server = createServer((request, response) => {
  void buffer(request).then(async (bytes) => {
    const [{ captions, error }] = await captioner.caption([{ file: 'photo', bytes }]);
    response.writeHead(error ? 422 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(error ? { error: error.message } : { captions }));
  });
});
server.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ port: (server.address() as AddressInfo).port }));
});
