/** Tokens and requests for the specs of the HTTP API. */
import { createHash } from 'node:crypto';
import { chmod } from 'node:fs/promises';
import { expect } from 'chai';
import type * as z from 'zod';
import { OPERATIONS } from '../../lib/admin/api-operations.js';
import { temporaryFile } from './temporary-file.js';

export const FRED = 'fred@example.com';
export const WILMA = 'wilma@example.com';

export const secretOf = (name: string): string => `${name}-${'0123456789abcdef'.repeat(2)}`;
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

export const TOKENS = [
  { name: 'shop', role: 'send', account: FRED, sha256: sha256(secretOf('shop')) },
  { name: 'bot', role: 'send', account: WILMA, sha256: sha256(secretOf('bot')) },
  { name: 'ghost', role: 'send', account: 'nobody@example.com', sha256: sha256(secretOf('ghost')) },
  { name: 'auditor', role: 'read', sha256: sha256(secretOf('auditor')) },
  { name: 'operator', role: 'operate', sha256: sha256(secretOf('operator')) },
];

/** The path of a file of tokens that only its owner may read. */
export async function tokenFile(tokens: unknown = TOKENS): Promise<string> {
  const path = await temporaryFile(JSON.stringify({ tokens }));
  await chmod(path, 0o600);
  return path;
}

export interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface SentEvent {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export class ApiClient {
  readonly #admin: () => string | undefined;

  constructor(admin: () => string | undefined) {
    this.#admin = admin;
  }

  url(path: string): string {
    return `${this.#admin()}/api/v1${path}`;
  }

  headers(name: string | undefined): Record<string, string> {
    return name === undefined ? {} : { Authorization: `Bearer ${secretOf(name)}` };
  }

  async ask(name: string | undefined, method: string, path: string, body?: unknown): Promise<Answer> {
    const given = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) };
    const headers = { ...this.headers(name), 'Content-Type': 'application/json' };
    const response = await fetch(this.url(path), { method, headers, ...given });
    const answer = (await response.json()) as Answer['body'];
    // Every answer is as the OpenAPI document has it.
    if (response.status === 200) answerSchema(method, path).parse(answer);
    return { status: response.status, body: answer };
  }

  /** Reads server-sent events until the stream ends or the signal is aborted. */
  async *events(name: string, path: string, signal: AbortSignal): AsyncGenerator<SentEvent> {
    const response = await fetch(this.url(path), { headers: this.headers(name), signal });
    expect(response.headers.get('content-type'), await described(response)).to.equal('text/event-stream');
    let text = '';
    for await (const part of response.body ?? []) {
      text += Buffer.from(part).toString();
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const block = text.slice(0, end);
        text = text.slice(end + 2);
        const data = /^data: (.*)$/m.exec(block)?.[1];
        if (data !== undefined) yield { event: /^event: (.*)$/m.exec(block)?.[1] ?? '', data: JSON.parse(data) };
      }
    }
  }
}

async function described(response: Response): Promise<string> {
  return response.status === 200 ? '' : await response.text();
}

/** The schema of what an operation answers, as the OpenAPI document has it. @param path below that of the API */
export function answerSchema(method: string, path: string): z.ZodType {
  const [bare = ''] = path.split('?', 1);
  for (const { method: known, path: pattern, answer } of OPERATIONS) {
    const matches = new RegExp(`^${pattern.replace(/\{\w+\}/g, '[^/]+')}$`).test(bare);
    if (known === method && matches && answer !== undefined) return answer;
  }
  throw new Error(`${method} ${path} has no schema of its answer`);
}
