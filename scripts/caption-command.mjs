// Bundles `captioner caption`, the compiled dist/cli/main.js with that command, into dist/cli/bundle/, from which cli/start.ts starts it in
// less time. Other commands stay modules. Dependencies that are many small files are bundled; the others load from node_modules.
import { readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';

const bundled = [
  '@petamoriken/float16',
  'cli-progress',
  'csv-stringify',
  'fastest-levenshtein',
  'long',
  'protobufjs',
  'zod',
];
const { dependencies, optionalDependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
const external = Object.keys({ ...dependencies, ...optionalDependencies }).filter((name) => !bundled.includes(name));

// As deep as the modules of the library, which find dist/browser/ from where they are.
const outdir = 'dist/cli/bundle';
rmSync(outdir, { recursive: true, force: true });
await build({
  entryPoints: { caption: 'dist/cli/main.js' },
  outdir,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'linked',
  logLevel: 'warning',
  // CommonJS modules require those of Node.
  banner: {
    js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);",
  },
  external: [...external.flatMap((name) => [name, `${name}/*`]), 'captioner/package.json', 'onnxruntime-web'],
  plugins: [
    {
      name: 'one-command',
      setup: ({ onResolve }) => {
        onResolve({ filter: /^\.\/commands\// }, ({ path: command }) =>
          command === './commands/caption.js' ? undefined : { path: `../${command}`, external: true },
        );
        // zod brings its messages in fifty languages, of which one is used.
        onResolve({ filter: /locales\/index\.js$/ }, ({ resolveDir }) =>
          resolveDir.includes('zod') ? { path: path.resolve('scripts/zod-locales.mjs') } : undefined,
        );
      },
    },
  ],
});
