#!/usr/bin/env node
import { existsSync } from 'node:fs';

/*
 * Starts the command line. `captioner caption` often captions a single photo, and then spends a third of its time on loading hundreds of
 * small modules. scripts/caption-command.mjs therefore bundles that command. The other commands start from their own modules.
 */
const bundle = new URL('bundle/caption.js', import.meta.url);
const bundled = process.argv[2] === 'caption' && existsSync(bundle);
await import(bundled ? bundle.href : './main.js');
