import type { Server } from 'node:http';
import { compile } from '@fastify/proxy-addr';
import ipaddr from 'ipaddr.js';

/** Whether a proxy is trusted to name the client before it: its address, and its distance from the service, 0 for the nearest. */
export type TrustedProxies = (address: string, hop: number) => boolean;

/**
 * Reads `--trust-proxy`: a number of proxies, or their addresses and networks with commas between (`10.0.0.0/8,loopback`).
 * The words of former versions, `true` and `false`, are one proxy and none.
 * @throws TypeError for anything else.
 */
export function trustedProxies(text: string): TrustedProxies {
  const value = text.trim();
  if (value === 'none' || value === 'false') return () => false;
  const hops = value === 'true' ? 1 : Number(value);
  if (Number.isInteger(hops) && hops >= 0) return (_address, hop) => hop < hops;
  return compile(value.split(',').map((network) => network.trim()));
}

/** The network that a client is counted by: an IPv4 address, or the first 64 bits of an IPv6 address, which one client owns whole. */
export function networkOf(address: string): string {
  if (!ipaddr.isValid(address)) return address;
  const ip = ipaddr.process(address); // ::ffff:1.2.3.4 is 1.2.3.4
  if (ip instanceof ipaddr.IPv6) return `${new ipaddr.IPv6([...ip.parts.slice(0, 4), 0, 0, 0, 0]).toString()}/64`;
  return ip.toString();
}

/** Whether only this machine can reach an address to listen at. */
export function isLocal(host: string): boolean {
  return host === 'localhost' || (ipaddr.isValid(host) && ipaddr.process(host).range() === 'loopback');
}

/** Closes new connections of a network that has so many already, except those of trusted proxies, which carry many clients. */
export function limitConnections(server: Server, limit: number, trusted: TrustedProxies): void {
  const open = new Map<string, number>();
  server.on('connection', (socket) => {
    const address = socket.remoteAddress ?? '';
    if (limit === 0 || trusted(address, 0)) return;
    const network = networkOf(address);
    const count = open.get(network) ?? 0;
    if (count >= limit) {
      socket.destroy();
      return;
    }
    open.set(network, count + 1);
    socket.once('close', () => {
      const left = open.get(network)! - 1;
      if (left > 0) open.set(network, left);
      else open.delete(network);
    });
  });
}
