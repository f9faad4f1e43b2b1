/**
 * One HTTP request of a webhook: signs it (Standard Webhooks 1.0), sends it to the configured URL and nowhere else, and says
 * what came of it.
 */
import { createHmac } from 'node:crypto';
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { type Agent, request as httpsRequest } from 'node:https';
import type { Reply } from '../errors.js';
import { VERSION } from '../ops/version.js';
import { ANSWER } from './api-schemas.js';

/** What came of a request. */
export type WebhookOutcome =
  | { readonly kind: 'taken' }
  | { readonly kind: 'refused'; readonly reply: Reply }
  | {
      readonly kind: 'failed';
      /** Whether the target certainly did not take it. */
      readonly certain: boolean;
      /** In words, for the log. */
      readonly reason: string;
      /** When the target wants to be asked again. */
      readonly afterMs?: number;
    };

export interface WebhookRequest {
  readonly url: URL;
  readonly key: Buffer;
  /** Of the message; the same at each attempt. */
  readonly id: string;
  readonly body: Buffer;
  readonly agent: Agent;
  /** Longest time until the whole response has arrived. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Of a response: room for a code and a text. */
const RESPONSE_OCTETS = 8192;
/** Responses that say that the target did not take it: it was told to come later, or elsewhere. */
const NOT_TAKEN: ReadonlySet<number> = new Set([408, 425, 429, 503]);
const PREFIX = 'whsec_';

/** The octets of a secret: as written, or in base64 behind `whsec_`. */
export function keyOfSecret(secret: string): Buffer {
  return secret.startsWith(PREFIX) ? Buffer.from(secret.slice(PREFIX.length), 'base64') : Buffer.from(secret);
}

function signed(key: Buffer, id: string, seconds: number, body: Buffer): string {
  return `v1,${createHmac('sha256', key).update(`${id}.${seconds}.`).update(body).digest('base64')}`;
}

/** Sends a request. Never rejects. */
export function postWebhook(wanted: WebhookRequest): Promise<WebhookOutcome> {
  const { url, key, id, body, agent, timeoutMs, signal } = wanted;
  const seconds = Math.floor(Date.now() / 1000);
  const headers = {
    'Content-Type': 'application/json',
    'Content-Length': body.length,
    'User-Agent': `imxp/${VERSION}`,
    'Webhook-Id': id,
    'Webhook-Timestamp': String(seconds),
    'Webhook-Signature': signed(key, id, seconds, body),
  };
  const late = AbortSignal.timeout(timeoutMs);
  const options = { method: 'POST', agent, headers, signal: AbortSignal.any([signal, late]) };
  return new Promise((resolve) => {
    let sent = false;
    const failed = (error: Error): void => {
      const reason = late.aborted ? `no response within ${timeoutMs} ms` : error.message;
      resolve({ kind: 'failed', certain: !sent, reason });
    };
    const request = url.protocol === 'https:' ? httpsRequest(url, options) : httpRequest(url, options);
    whenConnected(request, url.protocol === 'https:', () => {
      sent = true;
    });
    request.once('error', failed);
    request.once('response', (response) => void outcomeOf(response).then(resolve, failed));
    request.end(body);
  });
}

function whenConnected(request: ClientRequest, secure: boolean, connected: () => void): void {
  request.once('socket', (socket) => {
    if (request.reusedSocket) connected();
    else socket.once(secure ? 'secureConnect' : 'connect', connected);
  });
}

async function outcomeOf(response: IncomingMessage): Promise<WebhookOutcome> {
  const { statusCode: status = 0 } = response;
  const text = await start(response);
  if (status >= 200 && status < 300) return { kind: 'taken' };
  if (status >= 300 && status < 400) {
    return { kind: 'failed', certain: true, reason: `HTTP ${status}: redirects are not followed` };
  }
  if (NOT_TAKEN.has(status)) {
    const after = Number(response.headers['retry-after']);
    const wish = Number.isFinite(after) && after > 0 ? { afterMs: after * 1000 } : {};
    return { kind: 'failed', certain: true, reason: `HTTP ${status}`, ...wish };
  }
  if (status >= 400 && status < 500) return { kind: 'refused', reply: replyIn(text, status) };
  return { kind: 'failed', certain: false, reason: `HTTP ${status}` };
}

/** The beginning of the body. What is too long is not read on. */
async function start(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let octets = 0;
  for await (const part of response) {
    parts.push(part);
    octets += part.length;
    if (octets > RESPONSE_OCTETS) break;
  }
  return Buffer.concat(parts).toString('utf8', 0, RESPONSE_OCTETS);
}

/** The code and text that the target gives as `{ "code": 550, "text": "not wanted" }`, else those of the status. */
function replyIn(body: string, status: number): Reply {
  const otherwise = { code: 550, text: `refused by the recipient's program (HTTP ${status})` };
  let given: unknown;
  try {
    given = JSON.parse(body);
  } catch {
    return otherwise;
  }
  const { data } = ANSWER.safeParse(given);
  return data === undefined ? otherwise : { code: data.code ?? otherwise.code, text: data.text ?? otherwise.text };
}
