/**
 * Accounts, settings and a loop for the SASL specs: two mechanisms talk without BEEP, or two exchanges without channels.
 */

import { ClientExchange } from '../../lib/sasl/client.js';
import type { Authentication, ClientMechanism, ServerMechanism, ServerStep } from '../../lib/sasl/mechanism.js';
import { accountNames } from '../../lib/sasl/name.js';
import type { ServerAnswer, ServerExchange } from '../../lib/sasl/server.js';
import { answerContent, answerPayload } from '../../lib/sasl/server.js';
import type { ClientSettings, ServerSettings } from '../../lib/sasl/settings.js';
import { type CredentialStore, makeVerifier, type Verifier } from '../../lib/sasl/verifier.js';

/** Fewer than the default, to keep the specs quick; decoys in `settings` pretend the same. */
export const ITERATIONS = 4096;

export class People implements CredentialStore {
  readonly verifiers = new Map<string, Verifier>();
  readonly asked: string[] = [];

  async add(account: string, password: string, realms: readonly string[] = ['example.com']): Promise<this> {
    const verifier = await makeVerifier(account, password, { realms, scramIterations: ITERATIONS });
    this.verifiers.set(verifier.account, verifier);
    return this;
  }

  async lookup(username: string, realm: string | undefined): Promise<Verifier | undefined> {
    this.asked.push(username);
    for (const name of accountNames(username, realm, ['example.com'])) {
      const verifier = this.verifiers.get(name);
      if (verifier !== undefined) return verifier;
    }
    return undefined;
  }
}

export function settings(credentials: CredentialStore, more: Partial<ServerSettings> = {}): ServerSettings {
  return {
    mechanisms: ['DIGEST-MD5', 'SCRAM-SHA-256', 'SCRAM-SHA-256-PLUS', 'PLAIN', 'EXTERNAL'],
    credentials,
    realms: ['example.com'],
    secret: Buffer.alloc(32, 7),
    scramIterations: ITERATIONS,
    ...more,
  };
}

export interface LoginSettings extends ClientSettings {
  readonly username: string;
  readonly password: () => string;
}

export function login(username: string, password: string, more: Partial<ClientSettings> = {}): LoginSettings {
  return { privacy: false, host: 'relay.example.com', ...more, username, password: () => password };
}

export type Outcome = Exclude<ServerStep, { type: 'challenge' }>;

/** Lets two mechanisms talk until the server decides; on success the client has taken the server's data. */
export async function talk(client: ClientMechanism, server: ServerMechanism): Promise<Outcome> {
  const initial = await client.initial();
  let step = initial === undefined && server.clientFirst ? undefined : await server.step(initial);
  for (let turns = 0; turns < 8; turns += 1) {
    if (step?.type === 'failure') return step;
    if (step?.type === 'success') {
      if (step.data !== undefined) await client.step(step.data);
      return step;
    }
    step = await server.step(await client.step(step?.data ?? Buffer.alloc(0)));
  }
  throw new Error('the mechanisms do not come to an end');
}

/** The authentication of a success; fails the spec otherwise. */
export function authenticated(outcome: ServerStep): Authentication {
  if (outcome.type !== 'success') throw new Error(`expected success, got ${JSON.stringify(outcome)}`);
  return outcome.authentication;
}

/** What `promise` rejects with; fails the spec when it does not. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('expected a rejection');
}

/** Carries a client mechanism through a server exchange as BEEP would; returns the server's last answer. */
export async function authenticate(mechanism: ClientMechanism, exchange: ServerExchange): Promise<ServerAnswer> {
  const client = new ClientExchange(mechanism);
  const content = await client.start();
  let answer = await exchange.start(content === undefined ? undefined : Buffer.from(content));
  const reply = answerContent(answer);
  let turn = await client.started(reply === undefined ? undefined : Buffer.from(reply));
  while (turn.type !== 'done') {
    answer = await exchange.receive(turn.payload);
    if (turn.type === 'abort') throw turn.error;
    turn = await client.receive(answerPayload(answer));
  }
  return answer;
}
