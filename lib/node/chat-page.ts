/** The chat page: reads the files that the build has made of `web/chat/`, and tells them where they are served. */
import { readFileSync } from 'node:fs';
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

const CHAT_FILES = ['index.html', 'app.js', 'app.css', 'worker.js', 'icon.svg', 'app.webmanifest'] as const;

/** What the page has to know of its relay. */
export interface ChatSettings {
  /** Path of the WebSocket on the same host and port. */
  readonly webSocket: string;
  readonly domains: readonly string[];
}

/**
 * The chat page for a listener.
 *
 * @throws LocalError CONFIGURATION when the page was not built
 */
export function chatPage(path: string, settings: ChatSettings): PageFiles {
  const files = new Map<string, PageFile>(
    CHAT_FILES.map((name) => [name === 'index.html' ? '' : name, builtFile('chat', name)]),
  );
  files.set('settings.json', { type: typeOf('settings.json'), body: Buffer.from(JSON.stringify(settings)) });
  return new PageFiles(path, files);
}

/** A file that the build has put into `dist/web`; from its sources the program runs beside that directory. */
function builtFile(page: string, name: string): PageFile {
  const root = import.meta.url.endsWith('.ts') ? '../../dist/web' : '../../web';
  const url = new URL(`${root}/${page}/${name}`, import.meta.url);
  try {
    return { type: typeOf(name), body: readFileSync(url) };
  } catch (cause) {
    throw new LocalError('CONFIGURATION', `the ${page} page is not built: run "npm run build" (${String(cause)})`, {
      cause,
    });
  }
}

function typeOf(name: string): string {
  return TYPES[name.slice(name.lastIndexOf('.') + 1)] ?? 'application/octet-stream';
}
