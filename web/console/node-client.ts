/** Requests of the console to a node: its pages, and its API where there is a token. */

export interface ShownNode {
  /** URL of its admin port; empty for the node that the page is of. */
  readonly url: string;
  readonly name: string;
}

const KEPT = 'imxp console token ';

/** The token for a node; kept as long as this tab is open. */
export function tokenOf({ url }: ShownNode): string | undefined {
  return sessionStorage.getItem(KEPT + url) ?? undefined;
}

export function keepToken({ url }: ShownNode, token: string | undefined): void {
  if (token === undefined) sessionStorage.removeItem(KEPT + url);
  else sessionStorage.setItem(KEPT + url, token);
}

/** Takes the token from the URL of the page, where `imxp console` has put it, out of sight. */
export function takeToken(own: ShownNode): void {
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  if (token === null) return;
  keepToken(own, token);
  history.replaceState(undefined, '', location.pathname + location.search);
}

/** The node no longer takes the token. */
export class TokenError extends Error {}

/** @throws TokenError; Error with what the node says */
export async function fetchFrom(node: ShownNode, path: string, init: RequestInit = {}): Promise<Response> {
  const token = path.startsWith('/api/') ? tokenOf(node) : undefined;
  const headers = {
    ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
    ...(init.body === undefined ? {} : { 'Content-Type': 'application/json' }),
  };
  const response = await fetch(node.url + path, { cache: 'no-store', ...init, headers });
  if (response.ok) return response;
  const text = await errorIn(response);
  if (response.status === 401 || (response.status === 404 && token !== undefined && text.startsWith('not found'))) {
    throw new TokenError('the token is not valid, or has ended: imxp console gives another');
  }
  throw new Error(text);
}

async function errorIn(response: Response): Promise<string> {
  const text = (await response.text()).trim();
  try {
    const { error }: { readonly error?: unknown } = JSON.parse(text);
    if (typeof error === 'string') return error;
  } catch {
    // A page says it in plain text.
  }
  return text === '' ? `HTTP ${response.status}` : text;
}

export function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
