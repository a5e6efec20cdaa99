import type { FastifyHelmetOptions } from '@fastify/helmet';

/** Resources that the page may load: its own files, and pictures that it has made itself. */
const contentPolicy = {
  'default-src': ["'none'"],
  'script-src': ["'self'"],
  'style-src': ["'self'"],
  'img-src': ["'self'", 'blob:', 'data:'],
  'media-src': ["'self'", 'blob:'],
  'connect-src': ["'self'"],
  'manifest-src': ["'self'"],
  'base-uri': ["'none'"],
  'form-action': ["'none'"],
  'frame-ancestors': ["'none'"],
};

/** Headers that protect a page: they limit what it may load, and forbid framing it. */
export const protection = {
  contentSecurityPolicy: { useDefaults: false, directives: contentPolicy },
  frameguard: { action: 'deny' },
  hsts: false, // a matter of the proxy that has TLS
} satisfies FastifyHelmetOptions;
