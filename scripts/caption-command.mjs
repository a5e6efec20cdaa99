// Bundles `captioner caption`, the compiled dist/cli/main.js with that command, into dist/cli/bundle/, from which cli/start.ts starts it in
// less time. Other commands stay modules. Dependencies that are many small files are bundled; the others load from node_modules.
import { readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { build } from 'esbuild';

const bundled = ['@petamoriken/float16', 'cli-progress', 'commander', 'csv-stringify', 'fastest-levenshtein', 'zod'];
const { dependencies, optionalDependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
const external = Object.keys({ ...dependencies, ...optionalDependencies }).filter((name) => !bundled.includes(name));

/** Loads one command, and only the parts of the library that it uses. */
const oneCommand = {
  name: 'one-command',
  setup: ({ onResolve, resolve }) => {
    onResolve({ filter: /^\.\/commands\// }, ({ path: command }) =>
      command === './commands/caption.js' ? undefined : { path: `../${command}`, external: true },
    );
    // Modules of the library do nothing but define; those that nothing reads are left out.
    onResolve({ filter: /^\.\.?\// }, async ({ path: file, importer, resolveDir, kind, pluginData }) => {
      if (pluginData === 'resolved' || !importer.includes(`${path.sep}dist${path.sep}lib${path.sep}`)) return undefined;
      const found = await resolve(file, { importer, resolveDir, kind, pluginData: 'resolved' });
      return { ...found, sideEffects: false };
    });
    // zod brings its messages in fifty languages, of which one is used.
    onResolve({ filter: /locales\/index\.js$/ }, ({ resolveDir }) =>
      resolveDir.includes('zod') ? { path: path.resolve('scripts/zod-locales.mjs') } : undefined,
    );
  },
};

const require = createRequire(import.meta.url);
const sharpFolder = path.join(require.resolve('sharp'), '..');
const { version: sharpVersion } = JSON.parse(readFileSync(path.join(sharpFolder, '../package.json'), 'utf8'));

/**
 * Bundles sharp's JavaScript, which is seventy files with its dependencies; its binaries are loaded from where it is installed. If that is
 * another version, its own JavaScript is loaded, too: the two belong together.
 */
const installedSharp = {
  name: 'installed-sharp',
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: /^sharp$/ }, ({ namespace }) =>
      namespace === 'sharp' ? { path: 'sharp', external: true } : { path: 'sharp', namespace: 'sharp' },
    );
    onLoad({ filter: /.*/, namespace: 'sharp' }, () => ({
      resolveDir: process.cwd(),
      contents: `
        import { readFileSync } from 'node:fs';
        import path from 'node:path';
        const installed = path.join(require.resolve('sharp'), '../../package.json');
        const { version } = JSON.parse(readFileSync(installed, 'utf8'));
        const isBundled = version === ${JSON.stringify(sharpVersion)};
        const { default: sharp } = await (isBundled ? import(${JSON.stringify(path.join(sharpFolder, 'index.mjs'))}) : import('sharp'));
        export default sharp;`,
    }));
    const ownRequire = 'createRequire(import.meta.url)';
    onLoad({ filter: /[\\/]sharp[\\/]dist[\\/](sharp|utility)\.mjs$/ }, ({ path: file }) => {
      const source = readFileSync(file, 'utf8');
      if (!source.includes(ownRequire)) throw new Error(`${file} loads its binaries in another way than expected.`);
      return { contents: source.replace(ownRequire, `createRequire(${ownRequire}.resolve('sharp'))`) };
    });
  },
};

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
  external: [
    ...external.flatMap((name) => (name === 'sharp' ? [] : [name, `${name}/*`])),
    'captioner/package.json',
    'onnxruntime-web',
  ],
  plugins: [oneCommand, installedSharp],
});
