/**
 * Files of a web page that are served beside something else, such as a WebSocket: kept in memory, compressed once, with
 * the headers that confine a page to what it brings itself.
 */
import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import { gzipSync } from 'node:zlib';

/** A file as it is read from disk. */
export interface PageFile {
  /** Media type with its parameters. */
  readonly type: string;
  readonly body: Buffer;
}

/** HTTP response to a request for a file. */
export interface PageAnswer {
  readonly status: 200 | 304 | 308 | 405;
  readonly headers: OutgoingHttpHeaders;
  readonly body: Buffer;
}

interface Kept {
  readonly headers: OutgoingHttpHeaders;
  readonly tag: string;
  readonly plain: Buffer;
  /** Undefined where compression does not make it smaller. */
  readonly packed: Buffer | undefined;
}

const NOTHING = Buffer.alloc(0);
/** Only what the page brings itself is loaded and run, and no other page frames it. */
const CONFINED = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob:",
  "connect-src 'self'",
  "worker-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  'trusted-types imxp',
].join('; ');

const HEADERS = {
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  // Browsers ask each time whether it has changed, so that a page and its script are of one version.
  'Cache-Control': 'no-cache',
  Vary: 'Accept-Encoding',
} as const;

export class PageFiles {
  /** Path of the page, which ends with a slash so that names in the page are relative to it. */
  readonly path: string;
  readonly #headers: OutgoingHttpHeaders;
  readonly #kept = new Map<string, Kept>();

  /**
   * @param path of the page, with or without the slash at its end
   * @param files by name; the one named '' is the page
   * @param connects other origins that the page may ask
   */
  constructor(path: string, files: ReadonlyMap<string, PageFile>, connects: readonly string[] = []) {
    const confined = CONFINED.replace("connect-src 'self'", ["connect-src 'self'", ...connects].join(' '));
    this.#headers = { ...HEADERS, 'Content-Security-Policy': confined };
    this.path = path.endsWith('/') ? path : `${path}/`;
    for (const [name, file] of files) this.#kept.set(`${this.path}${name}`, keptOf(file, this.#headers));
  }

  /** The response to a request for a path; undefined when no file is there. */
  answer(method: string | undefined, path: string, headers: IncomingHttpHeaders): PageAnswer | undefined {
    const kept = this.#kept.get(path);
    const short = kept === undefined && `${path}/` === this.path;
    if (kept === undefined && !short) return undefined;
    if (method !== 'GET' && method !== 'HEAD') {
      return { status: 405, headers: { Allow: 'GET, HEAD', 'Content-Length': 0 }, body: NOTHING };
    }
    if (kept === undefined) {
      return { status: 308, headers: { Location: this.path, 'Content-Length': 0 }, body: NOTHING };
    }
    const { tag, plain, packed } = kept;
    if (headers['if-none-match'] === tag)
      return { status: 304, headers: { ...this.#headers, ETag: tag }, body: NOTHING };
    const zipped = packed !== undefined && acceptsGzip(headers['accept-encoding']);
    const body = zipped ? packed : plain;
    const encoded = zipped ? { 'Content-Encoding': 'gzip' } : {};
    return {
      status: 200,
      headers: { ...kept.headers, ETag: tag, ...encoded, 'Content-Length': body.length },
      body: method === 'HEAD' ? NOTHING : body,
    };
  }
}

function keptOf({ type, body }: PageFile, headers: OutgoingHttpHeaders): Kept {
  const packed = gzipSync(body, { level: 9 });
  return {
    headers: { ...headers, 'Content-Type': type },
    tag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`,
    plain: body,
    packed: packed.length < body.length ? packed : undefined,
  };
}

/** Accept-Encoding as browsers write it: a quality of zero forbids. */
function acceptsGzip(value: string | string[] | undefined): boolean {
  return /(?:^|[\s,])gzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/i.test(String(value ?? ''));
}
