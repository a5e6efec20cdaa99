import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';

/** Where Chromium is: what CHROMIUM names, or where Linux distributions put it. */
function chromiumPath(): string | undefined {
  const places = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
  return places.find((place) => place !== undefined && fs.existsSync(place));
}

/**
 * A real browser without a window, with a camera that shows a test picture; undefined where there is none.
 * @param webgpu whether WebGPU has an adapter: Chromium's SwiftShader, which computes on the processor.
 */
export async function startBrowser({ webgpu = false } = {}): Promise<Browser | undefined> {
  const executablePath = chromiumPath();
  if (executablePath === undefined) return undefined;
  return chromium.launch({
    executablePath,
    args: [
      '--headless',
      '--no-sandbox',
      ...(webgpu ? ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'] : ['--disable-gpu']),
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--use-fake-device-for-media-stream',
      '--use-fake-ui-for-media-stream',
    ],
  });
}

/** The servers serve what the build made of the pages' sources: a test of an older build would say nothing. */
export function requireFreshBuild(): void {
  const changed = (file: string): number => fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const sources = ['serve/page', 'serve/runs/page'].flatMap((folder) =>
    fs.readdirSync(folder).map((name) => changed(path.join(folder, name))),
  );
  if (Math.max(...sources) > changed('dist/tsconfig.page.tsbuildinfo'))
    throw new Error('The page has changed since it was built. Run: npm run build');
}

/** A violation as axe reports it. */
interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string }[];
}

/** The violations of accessibility that axe finds in a page as it is now. */
export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8'));
  return page.evaluate(async () => {
    const { axe } = window as unknown as { axe: { run(): Promise<{ violations: Violation[] }> } };
    const found = await axe.run();
    return found.violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
  });
}
