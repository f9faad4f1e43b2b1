/**
 * What operators and their programs have of a node beside the mesh: sessions to look at and to end, the log as it is written,
 * failed logins, the HTTP API with its console, webhooks, and the socket for commands on this machine.
 */
import type { ServerResponse } from 'node:http';
import { AccountEndpoints, type AttachLocally } from '../admin/account-endpoints.js';
import type { Admin } from '../admin/admin.js';
import type { Api } from '../admin/api.js';
import { ControlSocket } from '../admin/control.js';
import { FailedLogins } from '../admin/failed-logins.js';
import { HttpFault } from '../admin/http-fault.js';
import { LogReaders } from '../admin/log-readers.js';
import type { Token } from '../admin/tokens.js';
import type { WebhookSettings } from '../admin/webhook.js';
import { Webhooks } from '../admin/webhooks.js';
import type { Limits } from '../config/limits.js';
import type { StoreConfig } from '../config/schema.js';
import type { Accounts } from '../store/accounts.js';
import type { TlsServiceOptions } from '../transport/tls/service.js';
import type { HttpApiContext, httpApi } from './http-api.js';
import { SessionControl, type SessionControlOptions } from './session-control.js';

/** A token of the console ends by itself. */
const CONSOLE_TOKEN_MS = 3_600_000;
const NO_CONSOLE = { error: 'the console is not built, or the configuration has no "admin" section' };

/** Makes the HTTP API, which is loaded only where somebody wants it. */
export type MakeApi = typeof httpApi;

/** What it needs of the node. */
export interface ManagementContext
  extends SessionControlOptions,
    Omit<HttpApiContext, 'accounts' | 'endpoints' | 'logins' | 'readLog'> {
  readonly accounts: Accounts;
  readonly limits: Pick<Limits, 'api' | 'webhook'>;
  /** Attaches in the name of an account. */
  readonly attach: AttachLocally;
  /** Has other processes of the node report each Data operation, or no longer. */
  hearPerData(wanted: boolean): void;
}

export class Management {
  readonly #context: ManagementContext;
  readonly #admin: Admin | undefined;
  readonly #sessions: SessionControl;
  /** Those of accounts that the process itself attaches. */
  readonly #endpoints: AccountEndpoints;
  readonly #webhooks: Webhooks;
  readonly #logins = new FailedLogins();
  readonly #readers: LogReaders;
  #api: Api | undefined;
  #control: ControlSocket | undefined;

  /** @param makeApi undefined where no API is configured */
  constructor(
    context: ManagementContext,
    admin: Admin | undefined,
    makeApi: MakeApi | undefined,
    tokens: readonly Token[],
  ) {
    this.#context = context;
    this.#admin = admin;
    this.#sessions = new SessionControl(context);
    this.#readers = new LogReaders((wanted) => context.hearPerData(wanted));
    this.#endpoints = new AccountEndpoints(context.attach);
    this.#webhooks = new Webhooks({
      endpoints: this.#endpoints,
      limits: context.limits.webhook,
      obstacle: (account) => this.#obstacleOf(account),
    });
    if (makeApi !== undefined) this.#serve(makeApi, tokens);
  }

  /** Opens the socket for commands. Workers have sessions of their own, and each answers for them. */
  async openControl(store: StoreConfig, worker: boolean): Promise<void> {
    if (store.type === 'memory') return;
    const extras = worker ? {} : { readers: this.#readers, console: () => this.#consoleUrl() };
    this.#control = await ControlSocket.open(store.path, worker, this.#sessions, extras);
  }

  /** Starts the webhooks of the configuration, and ends those that it no longer has. */
  async replaceWebhooks(webhooks: readonly WebhookSettings[]): Promise<void> {
    await this.#webhooks.replace(webhooks);
  }

  replaceTokens(tokens: readonly Token[]): void {
    this.#api?.replace(tokens);
  }

  /** Ends the sessions of certificates that are revoked now. */
  endRevoked(tls: TlsServiceOptions): void {
    this.#sessions.endRevoked(tls);
  }

  /** Ends the webhooks, which attach in the name of accounts, before the sessions end. */
  async stopWebhooks(): Promise<void> {
    await this.#webhooks.stop();
  }

  async close(): Promise<void> {
    await this.#admin?.close();
    this.#logins.stop();
    await this.#control?.close();
  }

  #serve(makeApi: MakeApi, tokens: readonly Token[]): void {
    const { limits, ...context } = this.#context;
    this.#api = makeApi(tokens, limits.api, {
      ...context,
      endpoints: this.#endpoints,
      logins: this.#logins,
      readLog: (response, query) => this.#readLog(response, query),
    });
    this.#admin?.serve(this.#api);
  }

  /** The first one makes the API, where no tokens are configured. */
  async #consoleUrl(): Promise<string | { readonly error: string }> {
    if (this.#admin === undefined) return NO_CONSOLE;
    const { httpApi: makeApi } = await import('./http-api.js');
    if (this.#api === undefined) this.#serve(makeApi, []);
    return this.#admin.consoleUrl(CONSOLE_TOKEN_MS) ?? NO_CONSOLE;
  }

  #readLog(response: ServerResponse, query: URLSearchParams): void {
    const refused = this.#readers.add(response, query, this.#sessions.list());
    if (refused !== undefined) throw new HttpFault(refused.status, refused.error);
  }

  /** Why an account may not be attached by the node itself. */
  async #obstacleOf(account: string): Promise<string | undefined> {
    const { accounts } = this.#context;
    return (await accounts.known(account)) ? accounts.suspended(account) : `there is no account ${account}`;
  }
}
