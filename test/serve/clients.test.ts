import net from 'node:net';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { isLocal, networkOf, trustedProxies } from '../../serve/addresses.js';
import { colouredPhoto } from '../fixtures/tiny-captioner.js';
import { tinyService, type TinyService } from './tiny-service.js';

describe('the clients of the service', function () {
  this.timeout(600_000).slow(10_000);
  const started: TinyService[] = [];
  let photo: Buffer;

  const start = async (...options: Parameters<typeof tinyService>): Promise<TinyService> => {
    const some = await tinyService(...options);
    started.push(some);
    await some.ready();
    return some;
  };
  const post = async (
    some: TinyService,
    headers: Record<string, string> = {},
    url = '/caption',
    from = '127.0.0.1',
  ) => {
    const request = { method: 'POST' as const, url, payload: photo, remoteAddress: from };
    return some.server.inject({ ...request, headers: { 'content-type': 'image/jpeg', ...headers } });
  };

  before(async () => {
    photo = await colouredPhoto([200, 40, 40]);
  });
  after(async () => {
    await Promise.all(started.map((some) => some.close()));
  });

  it('are the addresses that the nearest trusted proxy names, whatever a client claims before it', async () => {
    const proxied = await start({ rateLimit: 1, trustProxy: '1' });
    // The proxy appends the address that it sees to what the client sent.
    const through = (claimed: string, seen: string) => post(proxied, { 'x-forwarded-for': `${claimed}, ${seen}` });
    expect((await through('1.1.1.1', '9.9.9.9')).statusCode).to.equal(200);
    expect((await through('2.2.2.2', '9.9.9.9')).statusCode).to.equal(429);
    expect((await through('2.2.2.2', '8.8.8.8')).statusCode).to.equal(200);
  });

  it('are identified behind networks of proxies, and only by those', async () => {
    const proxied = await start({ rateLimit: 1, trustProxy: '10.0.0.0/8, loopback' });
    const from = (address: string, forwarded: string) =>
      post(proxied, { 'x-forwarded-for': forwarded }, '/caption', address);
    expect((await from('10.1.2.3', '9.9.9.9, 10.4.5.6')).statusCode).to.equal(200);
    expect((await from('10.7.7.7', '9.9.9.9')).statusCode).to.equal(429);
    expect((await from('5.5.5.5', '1.1.1.1')).statusCode).to.equal(200);
    expect((await from('5.5.5.5', '2.2.2.2')).statusCode).to.equal(429);
  });

  it('are counted by the network that they own whole', () => {
    expect(networkOf('2001:db8:1:2:3:4:5:6')).to.equal(networkOf('2001:db8:1:2:ffff::1'));
    expect(networkOf('2001:db8:1:2::1')).not.to.equal(networkOf('2001:db8:1:3::1'));
    expect(networkOf('::ffff:192.0.2.7')).to.equal('192.0.2.7');
    expect(['127.0.0.1', '::1', 'localhost', '0.0.0.0', '::', '192.0.2.7'].map(isLocal)).to.deep.equal([
      ...[true, true, true],
      ...[false, false, false],
    ]);
  });

  it('have as many trusted proxies as configured', () => {
    const hops = (text: string) => [0, 1, 2].map((hop) => trustedProxies(text)('192.0.2.7', hop));
    expect(hops('none')).to.deep.equal([false, false, false]);
    expect(hops('2')).to.deep.equal([true, true, false]);
    expect(hops('true')).to.deep.equal([true, false, false]);
    expect(hops('192.0.2.0/24')).to.deep.equal([true, true, true]);
    expect(() => trustedProxies('somebody')).to.throw();
  });

  it('that guess keys are slowed down, and learn how to send one', async () => {
    const keyed = await start({ rateLimit: 3 }, { keys: { clients: ['right'], admin: 'boss' } });
    const guess = (key: string) => post(keyed, { authorization: `Bearer ${key}` });
    const replies = [await post(keyed), await guess('a'), await guess('b'), await guess('c')];
    expect(replies.map(({ statusCode }) => statusCode)).to.deep.equal([401, 401, 401, 429]);
    expect(replies[0].headers['www-authenticate']).to.equal('Bearer realm="captioner"');
    expect(replies[1].headers['www-authenticate']).to.equal('Bearer realm="captioner", error="invalid_token"');
    // Other routes are no way around, and a right key has a count of its own.
    for (const [method, url] of [
      ['GET', '/metrics'],
      ['POST', '/-/reload'],
    ] as const) {
      expect((await keyed.server.inject({ method, url, headers: { 'x-api-key': 'd' } })).statusCode).to.equal(429);
    }
    expect((await guess('right')).statusCode).to.equal(200);
  });

  it('pay for slow searches, for each photo, and for explanations', async () => {
    const priced = await start({ rateLimit: 100 });
    const left = async (url: string, payload: object | Buffer = photo) => {
      const headers = { 'content-type': payload === photo ? 'image/jpeg' : 'application/json' };
      const reply = await priced.server.inject({ method: 'POST', url, payload, headers });
      return [reply.statusCode, reply.headers['x-ratelimit-remaining']];
    };
    expect(await left('/caption')).to.deep.equal([200, '99']);
    expect(await left('/caption?beam=10&maxLength=30')).to.deep.equal([200, '94']);
    const image = photo.toString('base64');
    expect(await left('/caption', { images: [image, image, image] })).to.deep.equal([200, '91']);
    expect(await left('/explain')).to.deep.equal([200, '41']);
    expect((await left('/explain'))[0]).to.equal(429);
  });

  it('cannot request an endless search', async () => {
    const some = await start();
    const words = 'sky,stone,a,the,sky stone,the sky,a stone,stone sky,a sky,the stone';
    const url = `/caption?beam=10&maxLength=50&minLength=50&require=${encodeURIComponent(words)}`;
    const reply = await post(some, {}, url);
    expect(reply.statusCode).to.equal(400);
    expect(reply.json<{ error: { message: string } }>().error.message).to.match(
      /^This search evaluates up to 8,500 words/,
    );
  });

  describe('with connections that do nothing', () => {
    const listen = async (some: TinyService) => {
      await some.server.listen({ host: '127.0.0.1', port: 0 });
      return (some.server.server.address() as net.AddressInfo).port;
    };
    const connect = async (port: number, localAddress = '127.0.0.1') => {
      const socket = net.connect({ port, host: '127.0.0.1', localAddress });
      socket.on('error', () => undefined);
      await once(socket, 'connect');
      return socket;
    };

    it('have a limited number of them, so that others are served', async () => {
      const some = await start({ connectionsPerAddress: 5 });
      const port = await listen(some);
      const sockets = await Promise.all(Array.from({ length: 20 }, () => connect(port, '127.0.0.2')));
      const closed = sockets.map((socket) => once(socket.resume(), 'close'));
      while (sockets.filter(({ closed: ended }) => ended).length < 15)
        await new Promise((resolve) => setTimeout(resolve, 5));
      const answer = await fetch(`http://127.0.0.1:${port}/caption`, { method: 'POST', body: new Uint8Array(photo) });
      expect(answer.status).to.equal(200);
      expect(sockets.filter(({ destroyed }) => !destroyed)).to.have.length(5);
      for (const socket of sockets) socket.destroy();
      await Promise.all(closed);
      // Room is made again, as soon as the service has noticed.
      const health = async () => {
        const again = await connect(port, '127.0.0.2');
        again.write('GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
        return text(again).catch(() => '');
      };
      while (!(await health()).startsWith('HTTP/1.1 200'));
    });

    it('are closed if they send no headers', async () => {
      const some = await start({ headerTimeout: 0.2 });
      const port = await listen(some);
      const silent = await connect(port);
      const begun = await connect(port);
      begun.write('POST /caption HTTP/1.1\r\nHost: x\r\nX-Slow: ');
      await Promise.all([once(silent.resume(), 'close'), once(begun.resume(), 'close')]);
    });
  });
});
