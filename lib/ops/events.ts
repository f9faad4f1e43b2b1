/**
 * Events of the program over `node:diagnostics_channel`: any code in the process may subscribe. An event without
 * subscribers costs one property read. Events say who, where and why; they never contain payloads, passwords or
 * verifiers.
 */
import { type Channel, channel } from 'node:diagnostics_channel';

/** A named channel with the type of its messages. */
export class Event<Message extends object> {
  readonly name: string;
  readonly #channel: Channel;

  constructor(name: string) {
    this.name = name;
    this.#channel = channel(name);
  }

  /** Whether there is a subscriber; check it before building a message on the hot path. */
  get observed(): boolean {
    return this.#channel.hasSubscribers;
  }

  publish(message: Message): void {
    if (this.#channel.hasSubscribers) this.#channel.publish(message);
  }

  subscribe(listener: (message: Message) => void): () => void {
    const heard = (message: unknown): void => listener(message as Message);
    this.#channel.subscribe(heard);
    return () => this.#channel.unsubscribe(heard);
  }
}

/** A request by HTTP that changed something or was refused for its token: the audit log of the API. */
export interface ApiRequest {
  /** Address of the client. */
  readonly remote: string;
  /** Name of the token; absent when there was none, or a wrong one. */
  readonly token?: string;
  /** Method and path. */
  readonly request: string;
  /** The address that the body is about, where the path does not say it. */
  readonly about?: string;
  /** Status of the response. */
  readonly status: number;
}

/** A webhook has attached its account or not, or its target answers or not. */
export interface WebhookChanged {
  /** The account that it receives for. */
  readonly account: string;
  /** Scheme, host and port of its URL. */
  readonly target: string;
  /** attached, not attached, detached, failed, answers again. */
  readonly state: string;
  /** Why, in words. */
  readonly reason?: string;
}

/** A BEEP session began on a new connection. */
export interface SessionOpened {
  /** The session's id, which all its lines share. */
  readonly session: string;
  /** Address of the peer. */
  readonly remote: string;
  /** The peer's port. */
  readonly port: number;
  /** Whether this side opened the connection or accepted it. */
  readonly role: 'initiator' | 'listener';
}

/** A session ended; `error` is absent after an orderly release. */
export interface SessionClosed {
  /** The session's id, which all its lines share. */
  readonly session: string;
  /** Address of the peer. */
  readonly remote: string;
  /** Code of the error; see the table of error codes. */
  readonly error?: string;
  /** The error in words. */
  readonly reason?: string;
}

/** TLS protects the session from now on. */
export interface SessionTuned {
  /** The session's id, which all its lines share. */
  readonly session: string;
  /** Address of the peer. */
  readonly remote: string;
  /** Version of TLS. */
  readonly protocol: string;
  /** The cipher suite. */
  readonly cipher: string;
  /** Whether the handshake resumed an earlier session of the two. */
  readonly resumed: boolean;
  /** Whether the peer presented a valid certificate. */
  readonly authorized: boolean;
  /** The reason why it is not valid; the peer is not told. */
  readonly reason?: string;
  /** The identities in the peer's certificate, valid or not. */
  readonly certificate?: string;
  /** True for the cipher suites of the year 2000. */
  readonly legacy: boolean;
}

/** The peer proved its identity (`peer`), or this side did (`self`). */
export interface SessionAuthenticated {
  /** The session's id, which all its lines share. */
  readonly session: string;
  /** Address of the peer. */
  readonly remote: string;
  /** The SASL mechanism, or another kind of proof. */
  readonly mechanism: string;
  /** The authenticated identity: an address, or a domain for a relay. */
  readonly identity: string;
  /** The account that was proven, if it acts as another identity. */
  readonly side: 'peer' | 'self';
}

/** An operator ended a session: `imxp kick`, an account disabled or removed, a certificate revoked. */
export interface SessionExpelled {
  /** The session's id, which all its lines share. */
  readonly session: string;
  /** Address of the peer. */
  readonly remote: string;
  /** The account. */
  readonly account: string;
  /** What was done, since when, and why. */
  readonly reason: string;
}

/** Data of a removed account were deleted: access entries, presence, held messages. */
export interface AccountForgotten {
  /** The account. */
  readonly account: string;
  /** Time of the removal, ISO 8601. */
  readonly removed: string;
}

/** A request of a peer was refused; `reason` may say more than the peer was told. */
export interface Refused {
  /** The session's id, which all its lines share. */
  readonly session: string;
  /** Address of the peer. */
  readonly remote: string;
  /** What was requested: session, start, authentication, attach, bind, data, …. */
  readonly what: string;
  /** The reply code the peer was told. */
  readonly code: number;
  /** The reason, for the operator only. */
  readonly reason: string;
  /** The endpoint, domain or mechanism that it concerned. */
  readonly subject?: string;
}

/** An internal error that was contained. */
export interface Fault {
  /** Where it happened: a session, a channel, or a part of the program. */
  readonly session: string;
  /** Message, stack and code. */
  readonly error: unknown;
}

/** An attachment or binding began or ended. */
export interface AssociationEvent {
  /** The channel's id. */
  readonly channel: string;
  /** The attached endpoint, or the bound domain. */
  readonly subject: string;
  /** The number that the peer gave to the operation. */
  readonly transID: number;
}

/** An outgoing Data operation was answered. */
export interface Forwarded {
  /** The channel that it came on. */
  readonly channel: string;
  /** The originator. */
  readonly originator: string;
  /** The recipients of this part. */
  readonly recipients: readonly string[];
  /** Octets of the payload. */
  readonly octets: number;
  /** 250, or the code of the failure. */
  readonly code: number;
  /** The text of the failure. */
  readonly reason?: string;
  /** Milliseconds between the Data operation and its answer. */
  readonly ms: number;
}

/** A link to a neighbour changed its state. */
export interface LinkChanged {
  /** The neighbour's domain. */
  readonly link: string;
  /** What happened: up, down, failed, bind refused. */
  readonly state: string;
  /** Lanes and session, or error code, reason, and the suspected cause. */
  readonly [fact: string]: string | number;
}

/** A certificate is about to expire, or has expired; repeated once a day. */
export interface CertificateEnding {
  /** `own`, `authority` or `neighbour`. */
  readonly holder: string;
  /** The domain, or the name of the authority. */
  readonly name: string;
  /** End of its validity, ISO 8601. */
  readonly notAfter: string;
  /** Whole days that are left, negative after its end. */
  readonly days: number;
}

/** A certificate was ordered by ACME. */
export interface CertificateRenewed {
  /** The domain that it is for. */
  readonly domain: string;
  /** Whether it was issued, and is shown from now on; `failed again`: for the same reason as before. */
  readonly state: 'issued' | 'failed' | 'failed again';
  /** End of its validity, ISO 8601. */
  readonly notAfter?: string;
  /** Why it was not issued. */
  readonly reason?: string;
  /** When it will be ordered again, ISO 8601. */
  readonly again?: string;
}

/** A message that was acknowledged and held for an endpoint will not be delivered. */
export interface Dropped {
  /** Whom it was held for. */
  readonly endpoint: string;
  /** Who sent it, as far as it is known. */
  readonly originator: string;
  /** The code of the failure, which is reported to the sender where that was asked for. */
  readonly code: number;
  /** The text of the failure. */
  readonly reason: string;
  /** How long it was held, milliseconds. */
  readonly heldMs: number;
}

/** A DNS query was answered; answers from the cache are not reported. */
export interface LookedUp {
  /** Type of record. */
  readonly type: 'SRV' | 'A' | 'AAAA' | 'TLSA';
  /** The name that was queried. */
  readonly name: string;
  /** Whether there were records, none, or no answer. */
  readonly result: 'found' | 'none' | 'failed';
  /** Milliseconds until the answer. */
  readonly ms: number;
}

/** The node itself: ready, draining, reloaded, stopped. */
export interface NodeChanged {
  /** The new state of the node. */
  readonly state: string;
  /**
   * For ready: the addresses it listens on, the domains it serves, the admin URL. For reloaded: what was applied and
   * what needs a restart. For draining: the sessions.
   */
  readonly [fact: string]: string | number | readonly string[];
}

export const events = {
  opened: new Event<SessionOpened>('imxp:session:open'),
  closed: new Event<SessionClosed>('imxp:session:close'),
  tuned: new Event<SessionTuned>('imxp:session:tuned'),
  authenticated: new Event<SessionAuthenticated>('imxp:session:authenticated'),
  expelled: new Event<SessionExpelled>('imxp:session:expelled'),
  forgotten: new Event<AccountForgotten>('imxp:account:forgotten'),
  refused: new Event<Refused>('imxp:session:refused'),
  api: new Event<ApiRequest>('imxp:api'),
  webhook: new Event<WebhookChanged>('imxp:webhook'),
  fault: new Event<Fault>('imxp:fault'),
  attached: new Event<AssociationEvent>('imxp:relay:attach'),
  bound: new Event<AssociationEvent>('imxp:relay:bind'),
  terminated: new Event<AssociationEvent>('imxp:relay:terminate'),
  forwarded: new Event<Forwarded>('imxp:relay:forward'),
  dropped: new Event<Dropped>('imxp:relay:drop'),
  certificate: new Event<CertificateEnding>('imxp:certificate'),
  renewal: new Event<CertificateRenewed>('imxp:certificate:renewal'),
  link: new Event<LinkChanged>('imxp:link'),
  lookup: new Event<LookedUp>('imxp:dns:lookup'),
  node: new Event<NodeChanged>('imxp:node'),
} as const;
