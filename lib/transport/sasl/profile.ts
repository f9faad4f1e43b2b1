/**
 * SASL profiles on the server's side (RFC 3080 §4.1): one profile for each enabled mechanism, one exchange for each
 * channel. Carries the exchanges of `lib/sasl` over the channel and gives the session the result.
 */

import type { Proposal, StartEvent } from '../../beep/event.js';
import { errorElement, profileMessage } from '../../beep/profile-message.js';
import { ImxpError, LocalError, RefusedError, TransportError } from '../../errors.js';
import { contiguous } from '../../mime/payload.js';
import { events } from '../../ops/events.js';
import { NOT_ACCEPTED } from '../../sasl/fault.js';
import { type PeerIdentity, peerIdentity } from '../../sasl/identity.js';
import type { Authentication, SessionConditions } from '../../sasl/mechanism.js';
import { accountNames, canonicalAccount } from '../../sasl/name.js';
import { answerContent, answerPayload, SaslServer, type ServerAnswer, type ServerExchange } from '../../sasl/server.js';
import type { ServerSettings } from '../../sasl/settings.js';
import { mechanismUri } from '../../sasl/uri.js';
import type { CredentialStore, Verifier } from '../../sasl/verifier.js';
import { ChannelHandle, type ErrorCodec } from '../channel.js';
import { BANNED, type LoginThrottle } from '../login-throttle.js';
import type { ChannelCondition, ProfileConnection, ServedProfile } from '../profile.js';
import { certificateNames } from '../tls/certificate.js';
import { channelBindings } from '../tls/channel-bindings.js';
import { LayerStream } from './layer-stream.js';

/** How errors are written on SASL channels. */
export const SASL_ERRORS: ErrorCodec = { encodeError: (reply) => profileMessage(errorElement(reply)) };

const NEEDS: Readonly<Record<string, readonly ChannelCondition[]>> = {
  PLAIN: ['private'],
  'SCRAM-SHA-256-PLUS': ['private'],
  EXTERNAL: ['private', 'certified'],
};

/** Whom the peer of one session claims to be: the last name that was looked up for it. */
class Claim implements CredentialStore {
  readonly #settings: ServerSettings;
  account: string | undefined;

  constructor(settings: ServerSettings) {
    this.#settings = settings;
  }

  async lookup(username: string, realm: string | undefined): Promise<Verifier | undefined> {
    const { credentials, realms } = this.#settings;
    const verifier = await credentials.lookup(username, realm);
    // Unknown names count as well, or the difference would reveal which accounts exist.
    this.account = verifier?.account ?? accountNames(username, realm, realms)[0] ?? canonicalAccount(username);
    return verifier;
  }
}

interface SessionSasl {
  readonly server: SaslServer;
  readonly claim: Claim;
  readonly privacy: boolean;
}

/** The server of each session, replaced when TLS changes what mechanisms may rely on; and the cost of failures. */
class Sessions {
  readonly #settings: ServerSettings;
  readonly #throttle: LoginThrottle | undefined;
  readonly identify: NonNullable<SaslOffer['identify']>;
  readonly #certificateNames: (certificate: Buffer) => readonly string[];
  readonly #servers = new WeakMap<ProfileConnection, SessionSasl>();

  constructor(settings: ServerSettings, throttle: LoginThrottle | undefined, offer: SaslOffer) {
    this.#settings = settings;
    this.#throttle = throttle;
    this.identify = offer.identify ?? peerIdentity;
    this.#certificateNames = offer.certificateNames ?? ownNames;
  }

  of(connection: ProfileConnection): SaslServer {
    return this.#of(connection).server;
  }

  /** @returns milliseconds to wait before the peer is told that its proof was not accepted */
  failed(connection: ProfileConnection): number {
    return this.#throttle?.failed(connection.remote.address, this.#of(connection).claim.account) ?? 0;
  }

  /** @returns milliseconds to wait before the peer is told of its success */
  succeeded(connection: ProfileConnection, account: string): number {
    return this.#throttle?.succeeded(connection.remote.address, account) ?? 0;
  }

  /** Whether no session from the peer's address is wanted for now. */
  banned(connection: ProfileConnection): boolean {
    return (this.#throttle?.bannedFor(connection.remote.address) ?? 0) > 0;
  }

  /** The peer has authenticated: no further attempt will come (RFC 3080 §4). */
  done(connection: ProfileConnection): void {
    // A peer that used ANONYMOUS has no identity; were its server forgotten, its failed attempts would be, too.
    if (connection.identity !== undefined) this.#servers.delete(connection);
  }

  #of(connection: ProfileConnection): SessionSasl {
    const known = this.#servers.get(connection);
    if (known?.privacy === connection.privacy) return known;
    const claim = new Claim(this.#settings);
    const throttle = this.#throttle;
    const { address } = connection.remote;
    const settings: ServerSettings = {
      ...this.#settings,
      credentials: claim,
      ...(throttle === undefined ? {} : { admits: (account) => throttle.admits(address, account) }),
    };
    const made = {
      server: new SaslServer(settings, conditionsOf(connection, this.#certificateNames)),
      claim,
      privacy: connection.privacy,
    };
    this.#servers.set(connection, made);
    return made;
  }
}

/** Under which conditions and names the mechanisms are offered. */
export interface SaslOffer {
  /** None of them before TLS, so that an eavesdropper has no material for guessing. */
  readonly privately?: boolean;
  /** Also by the names of the BEEP drafts, which are always understood. */
  readonly draft?: boolean;
  /** Names the peer of an authentication; as it is named there, unless given. Undefined: the peer stays unauthenticated. */
  readonly identify?: (authentication: Authentication, privacy: boolean) => PeerIdentity | undefined;
  /** The names that a trusted certificate proves, for EXTERNAL; its mailboxes and domains unless given. */
  readonly certificateNames?: (certificate: Buffer) => readonly string[];
}

export class SaslProfile implements ServedProfile {
  readonly uris: readonly string[];
  readonly offered: readonly string[];
  readonly tuning = true;
  readonly needs: readonly ChannelCondition[];
  // RFC 3080 §4: no further attempt after success.
  readonly forbids: readonly ChannelCondition[] = ['authenticated'];
  readonly #sessions: Sessions;
  readonly #mechanism: string;

  private constructor(mechanism: string, sessions: Sessions, { privately = false, draft = false }: SaslOffer) {
    this.#mechanism = mechanism;
    this.uris = [mechanismUri(mechanism), mechanismUri(mechanism, true)];
    this.offered = draft ? this.uris : [mechanismUri(mechanism)];
    this.needs = NEEDS[mechanism] ?? (privately ? ['private'] : []);
    this.#sessions = sessions;
  }

  /** One profile for each mechanism that is switched on, in the order of the settings. */
  static all(settings: ServerSettings, throttle?: LoginThrottle, offer: SaslOffer = {}): SaslProfile[] {
    const sessions = new Sessions(settings, throttle, offer);
    return settings.mechanisms.map((mechanism) => new SaslProfile(mechanism, sessions, offer));
  }

  start(connection: ProfileConnection, event: StartEvent, proposal: Proposal): void {
    this.#begin(connection, event, proposal).catch((error: unknown) => failed(connection, error));
  }

  async #begin(connection: ProfileConnection, event: StartEvent, proposal: Proposal): Promise<void> {
    let exchange: ServerExchange;
    try {
      exchange = this.#sessions.of(connection).exchange(proposal.uri);
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      connection.refuse(event, error.reply);
      return;
    }
    const channel = new ChannelHandle(connection, event.channel, proposal.uri, SASL_ERRORS);
    channel.handler = {
      message: (msgno, payload) => {
        const octets = contiguous(payload);
        channel.consume(octets.length);
        this.#next(connection, channel, exchange, msgno, octets).catch((error: unknown) => failed(connection, error));
      },
      closed: () => {},
    };
    const answer = await exchange.start(proposal.content);
    await this.#conclude(connection, answer, () =>
      connection.accept(event, proposal.uri, answerContent(answer), channel),
    );
  }

  async #next(
    connection: ProfileConnection,
    channel: ChannelHandle,
    exchange: ServerExchange,
    msgno: number,
    payload: Buffer,
  ): Promise<void> {
    const answer = await exchange.receive(payload);
    const kind = answer.type === 'error' ? 'ERR' : 'RPY';
    await this.#conclude(connection, answer, () => channel.reply(msgno, kind, answerPayload(answer)));
  }

  /** Sends the answer, late where there were failures, and draws the consequences. */
  async #conclude(connection: ProfileConnection, answer: ServerAnswer, send: () => void): Promise<void> {
    if (connection.ended) return;
    if (answer.type === 'error') {
      await this.#refuse(connection, answer, send);
      return;
    }
    const authentication = answer.type === 'blob' ? answer.authentication : undefined;
    if (authentication === undefined) {
      send();
      return;
    }
    const { account, username } = authentication;
    await pause(this.#sessions.succeeded(connection, account ?? username));
    if (connection.ended) return;
    await admit(connection, authentication, this.#sessions.identify(authentication, connection.privacy), send);
    this.#sessions.done(connection);
  }

  async #refuse(
    connection: ProfileConnection,
    answer: ServerAnswer & { readonly type: 'error' },
    send: () => void,
  ): Promise<void> {
    const { code } = answer.reply;
    const { id: session, remote } = connection;
    events.refused.publish({
      session,
      remote: remote.address,
      what: 'authentication',
      subject: this.#mechanism,
      code,
      reason: answer.reason,
    });
    // Only a proof that was not accepted is a guess; faults of ours, refusals by policy and the like are not.
    if (code === NOT_ACCEPTED.code) await pause(this.#sessions.failed(connection));
    if (connection.ended) return;
    send();
    if (answer.exhausted) connection.dismiss(new TransportError('CLOSED', BANNED));
    else if (this.#sessions.banned(connection)) {
      connection.dismiss(new TransportError('CLOSED', `${BANNED} from this address`));
    }
  }
}

/** A long wait is what an attacker has to pay; it keeps no process alive. */
function pause(ms: number): Promise<void> | undefined {
  if (ms <= 0) return undefined;
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}

/** The peer is who it says: tells it, and the session. */
async function admit(
  connection: ProfileConnection,
  authentication: Authentication,
  identity: PeerIdentity | undefined,
  send: () => void,
): Promise<void> {
  events.authenticated.publish({
    session: connection.id,
    remote: connection.remote.address,
    mechanism: authentication.mechanism,
    identity: identity?.name ?? 'nobody',
    side: 'peer',
  });
  if (authentication.layer === undefined) {
    send();
    connection.identity = identity;
    return;
  }
  // RFC 3080 §4.1: the layer takes effect right after the completion, and both greet again.
  const { stream, leftover } = await connection.handOver(1, send);
  connection.renew(new LayerStream(stream, authentication.layer, leftover), { identity });
}

function failed(connection: ProfileConnection, error: unknown): void {
  connection.destroy(
    error instanceof ImxpError ? error : new LocalError('BEEP_STATE', String(error), { cause: error }),
  );
}

function conditionsOf(
  connection: ProfileConnection,
  namesIn: (certificate: Buffer) => readonly string[],
): SessionConditions {
  const { security } = connection;
  if (security === undefined) return { privacy: false };
  const { peerCertificate, authorized } = security;
  const external = authorized && peerCertificate !== undefined ? namesIn(peerCertificate) : [];
  return { privacy: true, channelBindings: channelBindings(security), external };
}

/** The names that a client's certificate gives it, where the users of a session have no rule of their own. */
function ownNames(certificate: Buffer): readonly string[] {
  const { mailboxes, domains } = certificateNames(certificate);
  return [...mailboxes, ...domains];
}
