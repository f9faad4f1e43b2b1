/**
 * Policy for upgrades to WebSocket: decides by the head of an HTTP request. Pure.
 *
 * Any page may have a browser open a WebSocket to any host (RFC 6455 §10.2), from inside a network the page's author cannot
 * reach. Browsers say which page it was in `Origin`; what is no browser proves nothing by it and can leave it out.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import type { PageFiles } from './page-files.js';

export interface WebRules {
  /** Where the WebSocket is; any other path is not found. */
  readonly path: string;
  /** Pages that may connect, as `https://chat.example.com`; `*` lets every page in. */
  readonly origins: readonly string[];
  /** Whether a name is one of this host: a page of the same host may connect if it is. */
  readonly knows: (host: string) => boolean;
  /** A page served on the same port, if any. */
  readonly page?: PageFiles;
}

/** HTTP response to a request that does not become a WebSocket. */
export interface WebRefusal {
  readonly status: 400 | 403 | 404 | 426;
  readonly text: string;
}

/** Why a request does not become a WebSocket, if so. */
export function webRefusal(url: string, headers: IncomingHttpHeaders, rules: WebRules): WebRefusal | undefined {
  if (pathOf(url) !== rules.path) return { status: 404, text: 'not found' };
  if (headers.upgrade?.toLowerCase() !== 'websocket') {
    // RFC 9110 §15.5.22.
    return { status: 426, text: 'this server speaks BEEP over WebSocket, not HTTP' };
  }
  const { origin, host } = headers;
  // RFC 6455 §4.2.1: node:http looks for it in other requests alone.
  if (host === undefined) return { status: 400, text: 'the request has no Host header' };
  if (origin === undefined || rules.origins.includes('*')) return undefined;
  if (rules.origins.some((allowed) => allowed.toLowerCase() === origin.toLowerCase())) return undefined;
  if (ownOrigin(origin, host, rules)) return undefined;
  return { status: 403, text: 'pages of this origin may not connect: see "origins" of the listener' };
}

/** Of `/path?query`, and of the URL as a whole, which proxies may send and every server accepts. */
export function pathOf(target: string): string | undefined {
  const [, path] = /^(?:(?:https?|wss?):\/\/[^/?#]*)?([^?#]*)/i.exec(target) ?? [];
  return path === '' ? '/' : path;
}

/** A page of this very host. Its name must be known: a foreign name can be made to resolve to this host (DNS rebinding). */
function ownOrigin(origin: string, host: string, { knows }: WebRules): boolean {
  if (!URL.canParse(origin)) return false;
  const page = new URL(origin);
  const asked = `${page.protocol}//${host}`;
  if (!['http:', 'https:'].includes(page.protocol) || !URL.canParse(asked)) return false;
  const { host: place, hostname } = new URL(asked);
  const name = hostname.replace(/^\[(.*)\]$/, '$1');
  return place === page.host && (isIP(name) !== 0 || name === 'localhost' || knows(name));
}
