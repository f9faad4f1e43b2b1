/**
 * Profiles that this side serves on a session, with the conditions under which each may run. The greeting and the
 * answer to `start` follow from these conditions.
 */
import type { Duplex } from 'node:stream';
import type { Proposal, StartEvent } from '../beep/event.js';
import type { ImxpError, Reply } from '../errors.js';
import type { PeerIdentity } from '../sasl/identity.js';
import type { ChannelConnection, ChannelHandle } from './channel.js';
import type { NetworkAddress } from './network.js';
import type { HandedOver } from './session-io.js';
import type { SecuredStream } from './tls/secured-stream.js';

/** A fact about a session that a profile may demand or exclude; `certified`: the peer showed a certificate we trust. */
export type ChannelCondition = 'private' | 'authenticated' | 'certified';

export type ChannelConditions = Readonly<Record<ChannelCondition, boolean>>;

/** What changes with a new session on the same connection. */
export interface SessionChange {
  readonly security?: SecuredStream;
  readonly identity?: PeerIdentity | undefined;
  /** False where the profile says that no greetings follow the reset; the peer's earlier greeting stays in effect. */
  readonly greets?: boolean;
}

/** What a profile may ask of the connection on which one of its channels is started. */
export interface ProfileConnection extends ChannelConnection {
  readonly local: NetworkAddress;
  readonly conditions: ChannelConditions;
  /** The protection of the session; undefined without TLS. */
  readonly security: SecuredStream | undefined;
  /** Under which name this side acts (RFC 3080 §2.3.1.2). */
  readonly serverName: string | undefined;
  /** The domain that a server name stands for; undefined for the name or address of a host, which stands for none. */
  domainOf(serverName: string | undefined): string | undefined;
  readonly ended: boolean;
  identity: PeerIdentity | undefined;
  /** Creates the channel the peer asked for; `content` answers the piggybacked message. */
  accept(event: StartEvent, uri: string, content: string | undefined, channel: ChannelHandle): void;
  /** Refuses to create it. */
  refuse(event: StartEvent, reply: Reply): void;
  /**
   * Gives the connection away for a change of transport: waits until every reply owed has left, lets `last` queue the
   * last message, writes it, and ends this session. Nothing is sent after it (RFC 3080 §3.1.3.2).
   *
   * @param owed replies that may stay owed: the one that `last` is going to give
   */
  handOver(owed: number, last: () => void): Promise<HandedOver>;
  /** Begins a new session over the new transport; nothing of the old one is kept but the server name. */
  renew(stream: Duplex, change: SessionChange): void;
  /** Lets what is queued leave, and closes without asking. */
  dismiss(error: ImxpError): void;
}

/** A profile served by this side. */
export interface ServedProfile {
  /** URIs it answers to. */
  readonly uris: readonly string[];
  /** URIs listed in the greeting; aliases are usually left out. */
  readonly offered: readonly string[];
  /** At most one channel of a tuning profile exists at a time (RFC 3080 §2). */
  readonly tuning: boolean;
  readonly needs: readonly ChannelCondition[];
  readonly forbids: readonly ChannelCondition[];
  /** Must answer through {@link ProfileConnection.accept} or {@link ProfileConnection.refuse}, now or later. */
  start(connection: ProfileConnection, event: StartEvent, proposal: Proposal): void;
}

const UNMET: Readonly<Record<ChannelCondition, Reply>> = {
  private: { code: 538, text: 'this profile requires TLS first' },
  authenticated: { code: 530, text: 'authentication required' },
  certified: { code: 535, text: 'this profile requires a client certificate that is trusted here' },
};

const FORBIDDEN: Readonly<Record<ChannelCondition, Reply>> = {
  private: { code: 554, text: 'not possible under TLS' },
  authenticated: { code: 550, text: 'already authenticated' },
  certified: { code: 550, text: 'not possible with a certificate' },
};

/** The profiles of one kind of listener or dialer. */
export class ProfileTable {
  readonly #profiles: readonly ServedProfile[];
  readonly #byUri = new Map<string, ServedProfile>();
  readonly #offers = new Map<string, readonly string[]>();

  constructor(profiles: readonly ServedProfile[]) {
    this.#profiles = profiles;
    for (const profile of profiles) for (const uri of profile.uris) this.#byUri.set(uri, profile);
  }

  /** The URIs for the greeting under these conditions; the same array for the same conditions. */
  offered(conditions: ChannelConditions): readonly string[] {
    const key = `${conditions.private}/${conditions.authenticated}/${conditions.certified}`;
    let uris = this.#offers.get(key);
    if (uris === undefined) {
      uris = this.#profiles.filter((p) => obstacle(p, conditions) === undefined).flatMap((p) => p.offered);
      this.#offers.set(key, uris);
    }
    return uris;
  }

  /** Not a method, so that every session can be given the same function. */
  readonly isTuning = (uri: string): boolean => this.#byUri.get(uri)?.tuning ?? false;

  /**
   * Picks the first proposal, in the client's order, that is served and allowed now (RFC 3080 §2.3.1.2); otherwise says
   * why the first known one is not, or 550.
   */
  choose(
    proposals: readonly Proposal[],
    conditions: ChannelConditions,
  ): { profile: ServedProfile; proposal: Proposal } | Reply {
    let refusal: Reply | undefined;
    for (const proposal of proposals) {
      const profile = this.#byUri.get(proposal.uri);
      if (profile === undefined) continue;
      const reply = obstacle(profile, conditions);
      if (reply === undefined) return { profile, proposal };
      refusal ??= reply;
    }
    return refusal ?? { code: 550, text: 'none of the proposed profiles is supported' };
  }
}

function obstacle(profile: ServedProfile, conditions: ChannelConditions): Reply | undefined {
  for (const condition of profile.needs) if (!conditions[condition]) return UNMET[condition];
  for (const condition of profile.forbids) if (conditions[condition]) return forbidden(profile, condition);
  return undefined;
}

function forbidden(profile: ServedProfile, condition: ChannelCondition): Reply {
  // RFC 3080 §4.1: no TLS once a SASL exchange has succeeded.
  if (condition === 'authenticated' && profile.needs.length === 0 && profile.forbids.includes('private')) {
    return { code: 554, text: 'TLS must be started before authentication' };
  }
  return FORBIDDEN[condition];
}
