import swagger, { type SwaggerTransform } from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import { createJsonSchemaTransform, createJsonSchemaTransformObject } from 'fastify-type-provider-zod';
import * as z from 'zod';
import { libraryVersion } from '../lib/index.js';
import type { ServiceConfig } from './config.js';
import type { RouteSchema } from './routes/schemas.js';
import { documented } from './search-options.js';

const describeRoute = createJsonSchemaTransform({ zodToJsonConfig: documented });
const describeSchemas = createJsonSchemaTransformObject({ zodToJsonConfig: documented });

/** Documents the routes: OpenAPI from their schemas at /openapi.json and, with the page, as a page at /docs. */
export async function documentRoutes(app: FastifyInstance, { page }: ServiceConfig): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'captioner',
        description: 'Captions photos.',
        version: libraryVersion(),
        license: { name: 'MIT' },
      },
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer' },
          key: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
        },
      },
    },
    transform: withBodies,
    transformObject: (document) => withoutUnused(describeSchemas(document)),
  });
  if (!page) return;
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    uiConfig: { layout: 'BaseLayout' },
    theme: { title: 'captioner' },
    logLevel: 'warn',
    staticCSP: "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'",
  });
}

/** Adds the bodies of a route, which Fastify does not check: the routes do, by the same schemas. */
const withBodies: SwaggerTransform = (route) => {
  const { bodies, ...schema } = (route.schema ?? {}) as RouteSchema;
  const transformed = describeRoute({ ...route, schema } as Parameters<SwaggerTransform>[0]);
  if (!bodies) return transformed;
  const content = Object.fromEntries(
    Object.entries(bodies).map(([type, body]) => {
      const described = z.toJSONSchema(body, { io: 'input', ...documented });
      delete described.$schema;
      return [type, { schema: described }];
    }),
  );
  return { ...transformed, schema: { ...transformed.schema, body: { content } } };
};

/** Leaves out the schemas that no route refers to. */
function withoutUnused<T extends object>(document: T): T {
  const { components, ...rest } = document as { components?: { schemas?: Record<string, unknown> } };
  const schemas = components?.schemas ?? {};
  const used = new Set<string>();
  const collect = (part: unknown) => {
    for (const [, name] of JSON.stringify(part).matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
      if (used.has(name)) continue;
      used.add(name);
      collect(schemas[name]);
    }
  };
  collect(rest);
  const kept = Object.fromEntries(Object.entries(schemas).filter(([name]) => used.has(name)));
  return { ...document, components: { ...components, schemas: kept } };
}
