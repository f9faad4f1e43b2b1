/**
 * The SASL profiles as their server (RFC 3080 §4.1): one profile for each mechanism switched on, one exchange for each
 * channel. The exchanges are `sasl/`'s; this file gives them the channel and the session the result.
 */
import type { StartEvent } from '../beep/event.js';
import { ImxpError, LocalError, RefusedError, TransportError } from '../errors.js';
import { type Identity, NOBODY } from '../imxp/identity.js';
import { events } from '../ops/events.js';
import { errorContent, saslMessage } from '../sasl/blob.js';
import { identityOf } from '../sasl/identity.js';
import type { SessionConditions } from '../sasl/mechanism.js';
import { answerContent, answerPayload, SaslServer, type ServerAnswer, type ServerExchange } from '../sasl/server.js';
import type { ServerSettings } from '../sasl/settings.js';
import { mechanismUri } from '../sasl/uri.js';
import { certificateIdentities } from './certificate.js';
import { channelBindings } from './channel-bindings.js';
import { ChannelHandle, type ErrorCodec } from './channel-handle.js';
import type { Driver } from './driver.js';
import { LayerStream } from './layer-stream.js';
import type { Condition, Proposal, ServedProfile } from './profile.js';

/** How errors are written on SASL channels. */
export const SASL_ERRORS: ErrorCodec = { encodeError: (reply) => saslMessage(errorContent(reply)) };

const NEEDS: Readonly<Record<string, readonly Condition[]>> = {
  PLAIN: ['private'],
  'SCRAM-SHA-256-PLUS': ['private'],
  EXTERNAL: ['private', 'certified'],
};

/** The server of each session, made anew when TLS changed what mechanisms may rely on. */
class Sessions {
  readonly #settings: ServerSettings;
  readonly #servers = new WeakMap<Driver, { readonly server: SaslServer; readonly privacy: boolean }>();

  constructor(settings: ServerSettings) {
    this.#settings = settings;
  }

  of(driver: Driver): SaslServer {
    const known = this.#servers.get(driver);
    if (known?.privacy === driver.privacy) return known.server;
    const server = new SaslServer(this.#settings, conditionsOf(driver));
    this.#servers.set(driver, { server, privacy: driver.privacy });
    return server;
  }
}

export class SaslProfile implements ServedProfile {
  readonly uris: readonly string[];
  readonly offered: readonly string[];
  readonly tuning = true;
  readonly needs: readonly Condition[];
  // RFC 3080 §4: no further attempt after success.
  readonly forbids: readonly Condition[] = ['authenticated'];
  readonly #sessions: Sessions;

  private constructor(mechanism: string, sessions: Sessions) {
    this.uris = [mechanismUri(mechanism), mechanismUri(mechanism, true)];
    this.offered = [mechanismUri(mechanism)];
    this.needs = NEEDS[mechanism] ?? [];
    this.#sessions = sessions;
  }

  /** One profile for each mechanism that is switched on, in the order of the settings. */
  static all(settings: ServerSettings): SaslProfile[] {
    const sessions = new Sessions(settings);
    return settings.mechanisms.map((mechanism) => new SaslProfile(mechanism, sessions));
  }

  start(driver: Driver, event: StartEvent, proposal: Proposal): void {
    this.#begin(driver, event, proposal).catch((error: unknown) => failed(driver, error));
  }

  async #begin(driver: Driver, event: StartEvent, proposal: Proposal): Promise<void> {
    let exchange: ServerExchange;
    try {
      exchange = this.#sessions.of(driver).exchange(proposal.uri);
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      driver.refuse(event, error.reply);
      return;
    }
    const channel = new ChannelHandle(driver, event.channel, proposal.uri, SASL_ERRORS);
    channel.handler = {
      message: (msgno, payload) => {
        channel.consume(payload.length);
        next(driver, channel, exchange, msgno, payload).catch((error: unknown) => failed(driver, error));
      },
      closed: () => {},
    };
    const answer = await exchange.start(proposal.content);
    await conclude(driver, answer, () => driver.accept(event, proposal.uri, answerContent(answer), channel));
  }
}

async function next(
  driver: Driver,
  channel: ChannelHandle,
  exchange: ServerExchange,
  msgno: number,
  payload: Buffer,
): Promise<void> {
  const answer = await exchange.receive(payload);
  const kind = answer.type === 'error' ? 'ERR' : 'RPY';
  await conclude(driver, answer, () => channel.reply(msgno, kind, answerPayload(answer)));
}

/** Sends the answer and draws the consequences. */
async function conclude(driver: Driver, answer: ServerAnswer, send: () => void): Promise<void> {
  if (driver.ended) return;
  if (answer.type === 'error') {
    const { code } = answer.reply;
    events.refused.publish({
      session: driver.id,
      remote: driver.remote.address,
      what: 'authentication',
      code,
      reason: answer.reason,
    });
    send();
    if (answer.exhausted) driver.dismiss(new TransportError('CLOSED', 'too many failed authentications'));
    return;
  }
  const authentication = answer.type === 'blob' ? answer.authentication : undefined;
  if (authentication === undefined) {
    send();
    return;
  }
  const identity = identityOf(authentication, driver.privacy);
  events.authenticated.publish({
    session: driver.id,
    remote: driver.remote.address,
    mechanism: authentication.mechanism,
    identity: nameOf(identity),
    side: 'peer',
  });
  if (authentication.layer === undefined) {
    send();
    driver.identity = identity;
    return;
  }
  // RFC 3080 §4.1: the layer takes effect right after the completion, and both greet again.
  const { stream, leftover } = await driver.handOver(1, send);
  driver.renew(new LayerStream(stream, authentication.layer, leftover), { identity });
}

function failed(driver: Driver, error: unknown): void {
  driver.destroy(error instanceof ImxpError ? error : new LocalError('BEEP_STATE', String(error), { cause: error }));
}

function conditionsOf(driver: Driver): SessionConditions {
  const { security } = driver;
  if (security === undefined) return { privacy: false };
  const { peerCertificate, authorized } = security;
  const external = authorized && peerCertificate !== undefined ? certificateIdentities(peerCertificate) : [];
  return { privacy: true, channelBindings: channelBindings(security), external: external.flatMap(namesOf) };
}

function namesOf(identity: Identity): string[] {
  if (identity.kind === 'relay') return identity.domains.map((domain) => `imxp=mesh@${domain}`);
  return identity.kind === 'endpoint' ? [identity.address] : [];
}

/** An identity for the log. */
export function nameOf(identity: Identity = NOBODY): string {
  return namesOf(identity).join(' ') || 'nobody';
}
