/** Files of pages that the build has put into `dist/web`; from its sources the program runs beside that directory. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { LocalError } from '../errors.js';
import { type PageFile, PageFiles } from '../transport/web/page-files.js';

/** Media types by the ends of names. */
const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
  json: 'application/json',
  webmanifest: 'application/manifest+json',
};

/** Of the page of that name. @throws LocalError CONFIGURATION when it is not built */
export function builtFiles(page: string): Map<string, PageFile> {
  const files = new Map<string, PageFile>();
  try {
    for (const name of readdirSync(place(page, ''))) {
      files.set(name === 'index.html' ? '' : name, { type: typeOf(name), body: readFileSync(place(page, name)) });
    }
    if (files.has('')) return files;
    throw new Error('index.html is missing');
  } catch (cause) {
    const why = `the ${page} page is not built: run "npm run build" (${String(cause)})`;
    throw new LocalError('CONFIGURATION', why, { cause });
  }
}

export function typeOf(name: string): string {
  return TYPES[name.slice(name.lastIndexOf('.') + 1)] ?? 'application/octet-stream';
}

/** The console on the admin port; undefined where it is not built, because nobody asked for it by the configuration. */
export function consolePage(nodes: readonly string[]): PageFiles | undefined {
  if (!existsSync(place('console', 'index.html'))) return undefined;
  return new PageFiles('/console', builtFiles('console'), nodes);
}

function place(page: string, name: string): URL {
  const root = import.meta.url.endsWith('.ts') ? '../../dist/web' : '../../web';
  return new URL(`${root}/${page}/${name}`, import.meta.url);
}
