/** What the HTTP API does, one operation for each method and path. */
import type { ServerResponse } from 'node:http';
import type * as z from 'zod';
import { type Address, parseAddress } from '../imxp/address.js';
import type { HeldForEndpoint, HeldStatus } from '../ops/status.js';
import type { AccessEntries } from '../store/access.js';
import { otherCases } from '../store/account-name.js';
import type { Accounts } from '../store/accounts.js';
import type { AccountEndpoints } from './account-endpoints.js';
import {
  ACCESS_BODY,
  ACCESS_LIST,
  ACCOUNT,
  ACCOUNTS,
  type AccessBody,
  ANSWER,
  ANSWERED,
  type AnswerBody,
  DISABLE,
  HELD,
  HELD_FOR,
  LOGINS,
  NEW_ACCOUNT,
  PRESENCE_STATE,
  PUBLISH,
  PUBLISHED,
  type PublishBody,
  SEND,
  SENT,
  type SendBody,
  TRACE,
  TRACED,
  type TraceBody,
} from './api-schemas.js';
import type { FailedLogins } from './failed-logins.js';
import { HttpFault } from './http-fault.js';
import type { MessageStreams } from './message-streams.js';
import type { PresenceRequests } from './presence-requests.js';
import type { Send } from './send.js';
import type { Token, TokenRole } from './tokens.js';
import { traced } from './trace.js';

/** What the node lends to the API. */
export interface OperationContext {
  readonly accounts: Accounts;
  readonly access: AccessEntries;
  /** @returns false when there is such an account */
  readonly addAccount: (address: string, password: string) => Promise<boolean>;
  readonly send: Send;
  readonly streams: MessageStreams;
  readonly presence: PresenceRequests;
  readonly logins: FailedLogins;
  /** Writes the log to a response, as it is written. @throws HttpFault */
  readonly readLog: (response: ServerResponse, query: URLSearchParams) => void;
  readonly endpoints: AccountEndpoints;
  readonly held: () => HeldStatus;
  /** What is held for one endpoint. */
  readonly heldFor: (endpoint: Address) => HeldForEndpoint;
}

export interface ApiCall {
  readonly token: Token;
  /** Of the path, in its order. */
  readonly parameters: readonly string[];
  readonly query: URLSearchParams;
  /** Checked by the schema of the operation. */
  readonly body?: unknown;
}

export type ApiResult = object;

export interface ApiOperation {
  readonly method: 'GET' | 'POST' | 'PUT';
  /** Below the path of the API, with parameters as `{address}`. */
  readonly path: string;
  readonly role: TokenRole;
  readonly summary: string;
  readonly body?: z.ZodType;
  /** What the body, as checked by its schema, is about, for the audit log; where the path does not say it. */
  about?(body: unknown): string;
  /** What it answers with 200, unless it is a stream. */
  readonly answer?: z.ZodType;
  /** Media type of a response that is a stream. */
  readonly stream?: 'text/event-stream' | 'application/x-ndjson';
  run?(context: OperationContext, asked: ApiCall): Promise<ApiResult>;
  open?(context: OperationContext, asked: ApiCall, response: ServerResponse): Promise<void>;
}

const accountOf = ({ account = '' }: Token): string => account;

function known(done: boolean, address: string): ApiResult {
  if (!done) throw new HttpFault(404, `there is no account ${address}`);
  return { address };
}

export const OPERATIONS: readonly ApiOperation[] = [
  {
    method: 'POST',
    path: '/send',
    role: 'send',
    summary:
      'Send a message. 200 only when the application of a recipient has answered ok, or its relay holds the message.',
    body: SEND,
    answer: SENT,
    run: ({ send }, { token, body }) => send(accountOf(token), body as SendBody),
  },
  {
    method: 'GET',
    path: '/messages',
    role: 'send',
    summary: 'Receive messages as server-sent events. Each waits for an answer by POST /messages/{id}.',
    stream: 'text/event-stream',
    open: ({ streams, endpoints }, { token }, response) => streams.open(accountOf(token), endpoints, response),
  },
  {
    method: 'POST',
    path: '/messages/{id}',
    role: 'send',
    summary: 'Answer a message: accept it with {}, or refuse it with a code and a text.',
    body: ANSWER,
    answer: ANSWERED,
    run: async ({ streams }, { token, parameters: [id = ''], body }) => {
      const { code, text = 'refused' } = body as AnswerBody;
      const answered = streams.answer(accountOf(token), id, code === undefined ? undefined : { code, text });
      if (!answered) throw new HttpFault(404, 'there is no such message, or it is answered or lost');
      return { id };
    },
  },
  {
    method: 'PUT',
    path: '/presence',
    role: 'send',
    summary: 'Publish the presence of the account.',
    body: PUBLISH,
    answer: PUBLISHED,
    run: ({ presence }, { token, body }) => presence.publish(accountOf(token), body as PublishBody),
  },
  {
    method: 'GET',
    path: '/presence/{address}',
    role: 'send',
    summary: 'Ask once for the presence of somebody who permits it.',
    answer: PRESENCE_STATE,
    run: ({ presence }, { token, parameters: [address = ''] }) => presence.poll(accountOf(token), address),
  },
  {
    method: 'GET',
    path: '/presence/{address}/events',
    role: 'send',
    summary: 'Follow the presence of somebody who permits it as server-sent events, the present state first.',
    stream: 'text/event-stream',
    open: ({ presence }, { token, parameters: [address = ''] }, response) =>
      presence.follow(accountOf(token), address, response),
  },
  {
    method: 'GET',
    path: '/accounts',
    role: 'read',
    summary: 'List the accounts.',
    answer: ACCOUNTS,
    run: async ({ accounts }) => {
      const all: object[] = [];
      for await (const { address, created, changed, state, lastAttached } of accounts.profiles()) {
        const { disabled } = state;
        all.push({ address, created, changed, disabled: disabled ?? null, lastAttached: lastAttached ?? null });
      }
      return { accounts: all };
    },
  },
  {
    method: 'POST',
    path: '/accounts',
    role: 'operate',
    summary: 'Add an account.',
    body: NEW_ACCOUNT,
    answer: ACCOUNT,
    about: (body) => (body as z.output<typeof NEW_ACCOUNT>).address,
    run: async ({ accounts, addAccount }, { body }) => {
      const { address, password } = body as z.output<typeof NEW_ACCOUNT>;
      if (!(await addAccount(address, password))) throw new HttpFault(409, `there is an account ${address}`);
      const confusing = otherCases(address).filter((other) => accounts.exists(other));
      if (confusing.length === 0) return { address };
      return { address, warning: `there is an account ${confusing.join(', ')}, too: senders will confuse them` };
    },
  },
  {
    method: 'POST',
    path: '/accounts/{address}/disable',
    role: 'operate',
    summary: 'Disable an account: its sessions end, and it cannot log in.',
    body: DISABLE,
    answer: ACCOUNT,
    run: async ({ accounts }, { parameters: [address = ''], body }) =>
      known(await accounts.disable(address, (body as z.output<typeof DISABLE>).reason), address),
  },
  {
    method: 'POST',
    path: '/accounts/{address}/enable',
    role: 'operate',
    summary: 'Enable an account again.',
    answer: ACCOUNT,
    run: async ({ accounts }, { parameters: [address = ''] }) => known(await accounts.enable(address), address),
  },
  {
    method: 'GET',
    path: '/accounts/{address}/access',
    role: 'read',
    summary: 'Read the access list of an account.',
    answer: ACCESS_LIST,
    run: async (context, { parameters: [address = ''] }) => {
      const { entries, lastUpdate } = (await accessOf(context, address)).entries;
      const shown = entries.map(({ actor, actions }) => ({ actor, actions }));
      return { entries: shown, lastUpdate: new Date(lastUpdate).toISOString() };
    },
  },
  {
    method: 'PUT',
    path: '/accounts/{address}/access',
    role: 'operate',
    summary: 'Replace the access list of an account.',
    body: ACCESS_BODY,
    answer: ACCESS_LIST,
    run: async (context, { parameters: [address = ''], body }) => {
      const { owner, entries } = await accessOf(context, address);
      const { entries: given } = body as AccessBody;
      const wanted = given.map(({ actor, actions }) => ({ actor, actions }));
      const at = await context.access.replace(owner, entries, wanted, Date.now());
      if (at === undefined) throw new HttpFault(409, 'the list was changed at the same time: read it and try again');
      return { entries: given, lastUpdate: new Date(at).toISOString() };
    },
  },
  {
    method: 'GET',
    path: '/log',
    role: 'read',
    summary:
      'Read the log as it is written, one JSON object in each line. Query: level, kind, session and peer, as imxp events has them.',
    stream: 'application/x-ndjson',
    open: async ({ readLog }, { query }, response) => readLog(response, query),
  },
  {
    method: 'GET',
    path: '/logins',
    role: 'read',
    summary: 'Failed logins by address since the start, and which addresses are refused for them.',
    answer: LOGINS,
    run: async ({ logins }) => ({ logins: logins.list() }),
  },
  {
    method: 'POST',
    path: '/trace',
    role: 'operate',
    summary: 'Trace the way to an address: what each relay on it reports.',
    body: TRACE,
    answer: TRACED,
    run: async ({ accounts, endpoints }, { body }) => {
      const { to, from } = body as TraceBody;
      return await traced(endpoints, from ?? (await someAccount(accounts)), to);
    },
  },
  {
    method: 'GET',
    path: '/held',
    role: 'read',
    summary: 'How many messages are held for endpoints that are not attached.',
    answer: HELD,
    run: async ({ held }) => ({ ...held() }),
  },
  {
    method: 'GET',
    path: '/held/{address}',
    role: 'read',
    summary: 'How many messages are held for one endpoint, and since when.',
    answer: HELD_FOR,
    run: async ({ heldFor, accounts }, { parameters: [address = ''] }) => {
      const endpoint = parseAddress(address);
      if (!(await accounts.known(endpoint.base))) throw new HttpFault(404, `there is no account ${endpoint.base}`);
      return { address: endpoint.key, ...heldFor(endpoint) };
    },
  },
];

/** @throws HttpFault 409 */
async function someAccount(accounts: Accounts): Promise<string> {
  for await (const { address, state } of accounts.profiles()) {
    if (state.disabled === undefined && !address.includes('=')) return address;
  }
  throw new HttpFault(409, 'there is no account to send the probe: give one as "from"');
}

async function accessOf({ access, accounts }: OperationContext, address: string) {
  const owner = parseAddress(address);
  if (!(await accounts.known(address))) throw new HttpFault(404, `there is no account ${address}`);
  return { owner, entries: access.of(owner) };
}
