/**
 * HTTP API on the admin port: decides by token and role who may ask for what, limits it, and answers in JSON. What is done
 * is in `api-operations.ts`.
 */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type * as z from 'zod';
import type { Limits } from '../config/limits.js';
import { events } from '../ops/events.js';
import { TokenBuckets } from '../ops/token-bucket.js';
import { hostPrefix, plainAddress } from '../transport/network.js';
import {
  type ApiCall,
  type ApiOperation,
  type ApiResult,
  OPERATIONS,
  type OperationContext,
} from './api-operations.js';
import { API_PATH } from './api-path.js';
import { faultOfError, HttpFault } from './http-fault.js';
import { openApiDocument } from './open-api.js';
import { type Token, type TokenRole, tokenDigest, tokenIn } from './tokens.js';

/** A token that ends by itself. */
interface Issued extends Token {
  /** On the monotonic clock, milliseconds. */
  readonly until: number;
}

/** Tokens that end by themselves; a further one ends the oldest. */
const MOST_ISSUED = 16;
const SECRET_OCTETS = 32;

const MINUTE_SECONDS = 60;

const monotonic = (): number => performance.now();

export class Api {
  #tokens: readonly Token[];
  readonly #context: OperationContext;
  readonly #limits: Limits['api'];
  readonly #rates: TokenBuckets;
  readonly #wrong: TokenBuckets;
  readonly #outstanding: Places;
  readonly #streams: Places;
  /** Open streams with their tokens. */
  readonly #streaming = new Map<ServerResponse, Token>();
  /** Tokens that end by themselves. */
  #issued: readonly Issued[] = [];

  constructor(tokens: readonly Token[], context: OperationContext, limits: Limits['api']) {
    this.#tokens = tokens;
    this.#context = context;
    this.#limits = limits;
    this.#outstanding = new Places(limits.outstanding, 'requests are in progress');
    this.#streams = new Places(limits.streams, 'streams are open');
    this.#rates = new TokenBuckets({ perSecond: limits.requestsPerSecond, burst: limits.requestsBurst }, monotonic);
    const perSecond = limits.wrongPerMinute / MINUTE_SECONDS;
    this.#wrong = new TokenBuckets({ perSecond, burst: limits.wrongPerMinute }, monotonic);
  }

  /** Whether anybody has a token. */
  get open(): boolean {
    return this.#all().length > 0;
  }

  /**
   * Makes a token that ends by itself.
   *
   * @returns its text, which is kept nowhere
   */
  issue(name: string, role: Exclude<TokenRole, 'send'>, lifetimeMs: number): string {
    const text = randomBytes(SECRET_OCTETS).toString('base64url');
    const until = monotonic() + lifetimeMs;
    this.#issued = [...this.#current().slice(1 - MOST_ISSUED), { name, role, digest: tokenDigest(text), until }];
    return text;
  }

  #current(): readonly Issued[] {
    const now = monotonic();
    this.#issued = this.#issued.filter(({ until }) => until > now);
    return this.#issued;
  }

  #all(): readonly Token[] {
    return [...this.#tokens, ...this.#current()];
  }

  /** Takes other tokens from now on. Streams of those that are not among them end. */
  replace(tokens: readonly Token[]): void {
    this.#tokens = tokens;
    const all = this.#all();
    for (const [response, token] of this.#streaming) if (!all.some((one) => isSame(one, token))) response.end();
  }

  /** Answers a request below {@link API_PATH}. */
  async answer(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
    const { method = '' } = request;
    const remote = plainAddress(request.socket.remoteAddress ?? '');
    let token: Token | undefined;
    let changes = false;
    let about: string | undefined;
    try {
      const below = path.slice(API_PATH.length);
      if (below === '/openapi.json' && method === 'GET') {
        write(response, 200, openApiDocument(OPERATIONS));
        return;
      }
      token = this.#admitted(request, remote);
      const { operation, parameters } = found(method, below);
      changes = method !== 'GET';
      if (operation.role !== token.role && !(operation.role === 'read' && token.role === 'operate')) {
        throw new HttpFault(403, `this needs a token with the role "${operation.role}"`);
      }
      await this.#checkAccount(token);
      const query = new URLSearchParams(request.url?.split('?', 2)[1] ?? '');
      const told = (body: unknown): void => {
        about = operation.about?.(body);
      };
      await this.#perform(operation, { token, parameters, query, request, response, told });
    } catch (error) {
      const fault = faultOfError(error);
      if (fault === undefined) events.fault.publish({ session: 'api', error });
      refuse(response, fault ?? new HttpFault(500, 'internal error; the log of the relay has more'));
    }
    if (changes || token === undefined) {
      const who = token === undefined ? {} : { token: token.name };
      const what = { request: `${method} ${path}`, ...(about === undefined ? {} : { about }) };
      events.api.publish({ remote, ...who, ...what, status: response.statusCode });
    }
  }

  #admitted(request: IncomingMessage, remote: string): Token {
    const token = tokenIn(request.headers.authorization, this.#all());
    if (token === undefined) {
      if (!this.#wrong.of(hostPrefix(remote))?.take())
        throw new HttpFault(429, 'too many requests without a valid token');
      throw new HttpFault(401, 'a valid token is needed: Authorization: Bearer TOKEN');
    }
    if (!this.#rates.of(token.name)?.take()) throw new HttpFault(429, 'too many requests with this token');
    return token;
  }

  /** A token outlives its account no more than a password does. */
  async #checkAccount({ account }: Token): Promise<void> {
    if (account === undefined) return;
    const { accounts } = this.#context;
    if (!(await accounts.known(account))) throw new HttpFault(403, `there is no account ${account}`);
    const suspended = accounts.suspended(account);
    if (suspended !== undefined) throw new HttpFault(403, suspended);
  }

  async #perform(
    operation: ApiOperation,
    asked: {
      readonly token: Token;
      readonly parameters: readonly string[];
      readonly query: URLSearchParams;
      readonly request: IncomingMessage;
      readonly response: ServerResponse;
      /** Told the body once it is known to be right. */
      readonly told: (body: unknown) => void;
    },
  ): Promise<void> {
    const { request, response, told, ...who } = asked;
    const leave = this.#outstanding.take(who.token.name);
    try {
      const body = operation.body === undefined ? undefined : await this.#body(request, operation.body);
      told(body);
      if (operation.open !== undefined) {
        await this.#stream(operation.open, who, response);
        return;
      }
      const answer: ApiResult = (await operation.run?.(this.#context, { ...who, body })) ?? {};
      write(response, 200, answer);
    } finally {
      leave();
    }
  }

  async #stream(open: NonNullable<ApiOperation['open']>, call: ApiCall, response: ServerResponse): Promise<void> {
    const { token } = call;
    const leave = this.#streams.take(token.name);
    this.#streaming.set(response, token);
    const ended = (): void => {
      leave();
      this.#streaming.delete(response);
    };
    response.once('close', ended);
    try {
      await open(this.#context, call, response);
    } catch (error) {
      ended();
      throw error;
    }
  }

  async #body(request: IncomingMessage, schema: z.ZodType): Promise<unknown> {
    const { bodyOctets } = this.#limits;
    if (!/^application\/json\b/i.test(request.headers['content-type'] ?? '')) {
      throw new HttpFault(415, 'the body must be JSON: Content-Type: application/json');
    }
    const parts: Buffer[] = [];
    let octets = 0;
    for await (const part of request) {
      octets += part.length;
      if (octets > bodyOctets) throw new HttpFault(413, `the body has more than ${bodyOctets} octets`);
      parts.push(part);
    }
    let given: unknown;
    try {
      given = JSON.parse(Buffer.concat(parts).toString());
    } catch (error) {
      throw new HttpFault(400, `the body is not JSON: ${error instanceof Error ? error.message : String(error)}`);
    }
    const { data, error } = schema.safeParse(given);
    if (error === undefined) return data;
    const [issue] = error.issues;
    throw new HttpFault(400, `${issue?.path.join('.') || 'the body'}: ${issue?.message ?? 'is wrong'}`);
  }
}

/** Places for what is in progress, of which one token may have half. */
class Places {
  readonly #limit: number;
  readonly #what: string;
  readonly #taken = new Map<string, number>();
  #all = 0;

  constructor(limit: number, what: string) {
    this.#limit = limit;
    this.#what = what;
  }

  /** @returns what gives the place back, once @throws HttpFault 503 */
  take(token: string): () => void {
    const own = this.#taken.get(token) ?? 0;
    if (own >= Math.ceil(this.#limit / 2)) throw new HttpFault(503, `too many ${this.#what} with this token`);
    if (this.#all >= this.#limit) throw new HttpFault(503, `too many ${this.#what}`);
    this.#change(token, 1);
    let given = false;
    return () => {
      if (!given) this.#change(token, -1);
      given = true;
    };
  }

  #change(token: string, more: 1 | -1): void {
    this.#all += more;
    const own = (this.#taken.get(token) ?? 0) + more;
    if (own === 0) this.#taken.delete(token);
    else this.#taken.set(token, own);
  }
}

function isSame(one: Token, other: Token): boolean {
  const { name, role, account, digest } = other;
  return one.name === name && one.role === role && one.account === account && one.digest.equals(digest);
}

function found(
  method: string,
  below: string,
): { readonly operation: ApiOperation; readonly parameters: readonly string[] } {
  const allowed: string[] = [];
  for (const operation of OPERATIONS) {
    const pattern = new RegExp(`^${operation.path.replace(/\{\w+\}/g, '([^/]+)')}$`);
    const match = pattern.exec(below);
    if (match === null) continue;
    if (operation.method === method) return { operation, parameters: match.slice(1).map(decoded) };
    allowed.push(operation.method);
  }
  if (allowed.length > 0) throw new HttpFault(405, `only ${allowed.join(', ')} here`);
  throw new HttpFault(404, `not found; ${API_PATH}/openapi.json describes what there is`);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new HttpFault(400, 'the path is not valid');
  }
}

function write(response: ServerResponse, status: number, value: object, headers: Record<string, string> = {}): void {
  const body = Buffer.from(`${JSON.stringify(value)}\n`);
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': body.length,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    ...headers,
  });
  response.end(body);
}

function refuse(response: ServerResponse, { status, message, code }: HttpFault): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const value = { error: message, ...(code === undefined ? {} : { code }) };
  // What was not read of the request would be taken for the next one.
  write(response, status, value, {
    Connection: 'close',
    ...(status === 401 ? { 'WWW-Authenticate': 'Bearer' } : {}),
    ...(status === 429 ? { 'Retry-After': '60' } : {}),
  });
}
