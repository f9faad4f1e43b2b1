/**
 * Registry of mechanisms: which exist, which a server offers on a session, and which a client chooses. To add one,
 * change this file and `settings.ts`.
 */

import { MECHANISMS, type MechanismName } from '../config/sasl-names.js';
import { LocalError } from '../errors.js';
import { AnonymousClient, AnonymousServer } from './anonymous.js';
import { DigestMd5Client } from './digest-md5/client.js';
import { DigestMd5Server } from './digest-md5/server.js';
import { ExternalClient, ExternalServer } from './external.js';
import type { ClientMechanism, ServerMechanism, SessionConditions } from './mechanism.js';
import { PlainClient, PlainServer } from './plain.js';
import { ScramClient } from './scram/client.js';
import { ScramServer } from './scram/server.js';
import type { ClientSettings, ServerSettings } from './settings.js';
import { mechanismOf, SASL_URI } from './uri.js';

function canBind(conditions: SessionConditions): boolean {
  return conditions.privacy && (conditions.channelBindings?.size ?? 0) > 0;
}

function isEnabled(name: MechanismName, settings: Pick<ServerSettings, 'mechanisms'>): boolean {
  return settings.mechanisms.includes(name);
}

/** Mechanisms for the greeting, strongest first: those enabled that can succeed in this session. */
export function offeredMechanisms(settings: ServerSettings, conditions: SessionConditions): readonly MechanismName[] {
  return MECHANISMS.filter((name) => {
    if (!isEnabled(name, settings)) return false;
    switch (name) {
      case 'EXTERNAL':
        // RFC 3080 §4.1.3: it needs an active external service.
        return (conditions.external?.length ?? 0) > 0;
      case 'SCRAM-SHA-256-PLUS':
        return canBind(conditions);
      case 'PLAIN':
        return conditions.privacy;
      default:
        return true;
    }
  });
}

/**
 * The server of a mechanism; `undefined` when it is not switched on. One that is switched on but cannot succeed now is
 * made all the same: it answers why.
 */
export function serverMechanism(
  name: string,
  settings: ServerSettings,
  conditions: SessionConditions,
): ServerMechanism | undefined {
  const known = MECHANISMS.find((each) => each === name);
  if (known === undefined || !isEnabled(known, settings)) return undefined;
  const options = { ...settings, ...conditions };
  const plusOffered = canBind(conditions) && isEnabled('SCRAM-SHA-256-PLUS', settings);
  switch (known) {
    case 'EXTERNAL':
      return new ExternalServer(options);
    case 'SCRAM-SHA-256-PLUS':
      return new ScramServer({ ...options, plus: true, plusOffered });
    case 'SCRAM-SHA-256':
      return new ScramServer({ ...options, plus: false, plusOffered });
    case 'DIGEST-MD5':
      return new DigestMd5Server(options);
    case 'PLAIN':
      return new PlainServer(options);
    case 'ANONYMOUS':
      return new AnonymousServer();
  }
}

/** A way to authenticate to the peer. */
export interface Candidate {
  /** As the peer offers it: start the channel with it. */
  readonly uri: string;
  readonly name: MechanismName;
  create(): ClientMechanism;
}

/** Offered URIs by mechanism; of two spellings RFC 3080's. */
function offers(uris: readonly string[]): ReadonlyMap<string, string> {
  const byName = new Map<string, string>();
  for (const uri of uris) {
    const name = mechanismOf(uri);
    if (name !== undefined && (uri.startsWith(SASL_URI) || !byName.has(name))) byName.set(name, uri);
  }
  return byName;
}

/** Not ANONYMOUS: it is used only where it is asked for. */
const DEFAULT_ACCEPTABLE: readonly string[] = MECHANISMS.filter((name) => name !== 'ANONYMOUS');

function isAcceptable(name: MechanismName, settings: ClientSettings): boolean {
  if (!(settings.mechanisms ?? DEFAULT_ACCEPTABLE).includes(name)) return false;
  // RFC 2831 §3.6: never less than what is demanded. Without TLS only DIGEST-MD5 can give more than authentication.
  const demandsLayer = !settings.privacy && settings.qops !== undefined && !settings.qops.includes('auth');
  if (demandsLayer && name !== 'DIGEST-MD5') return false;
  switch (name) {
    case 'EXTERNAL':
      return settings.useCertificate === true && settings.privacy;
    case 'ANONYMOUS':
      return true;
    case 'SCRAM-SHA-256-PLUS':
      return hasPassword(settings) && canBind(settings);
    case 'PLAIN':
      return hasPassword(settings) && settings.privacy && settings.verified !== false;
    default:
      return hasPassword(settings);
  }
}

function hasPassword(settings: ClientSettings): boolean {
  return settings.username !== undefined && settings.password !== undefined;
}

function clientMechanism(name: MechanismName, settings: ClientSettings, plusOffered: boolean): ClientMechanism {
  if (name === 'EXTERNAL') return new ExternalClient(settings.authzid);
  if (name === 'ANONYMOUS') return new AnonymousClient();
  const { username, password } = settings;
  if (username === undefined || password === undefined) {
    throw new LocalError('ARGUMENT', `${name} needs a user name and a password`);
  }
  const options = { ...settings, username, password };
  if (name === 'DIGEST-MD5') return new DigestMd5Client(options);
  if (name === 'PLAIN') return new PlainClient(options);
  return new ScramClient({ ...options, plus: name === 'SCRAM-SHA-256-PLUS', plusOffered });
}

/**
 * All acceptable mechanisms among the peer's profile URIs, strongest first. When one fails, going on to the next is a
 * choice: a refused password (535) will be refused again.
 */
export function candidates(offered: readonly string[], settings: ClientSettings): readonly Candidate[] {
  const byName = offers(offered);
  const plusOffered = byName.has('SCRAM-SHA-256-PLUS');
  return MECHANISMS.flatMap((name) => {
    const uri = byName.get(name);
    if (uri === undefined || !isAcceptable(name, settings)) return [];
    return [{ uri, name, create: () => clientMechanism(name, settings, plusOffered) }];
  });
}

/**
 * The strongest acceptable mechanism.
 *
 * @throws LocalError SASL_NO_MECHANISM: none is offered; the fields name those that are
 */
export function chooseMechanism(offered: readonly string[], settings: ClientSettings): Candidate {
  const [best] = candidates(offered, settings);
  if (best !== undefined) return best;
  const names = [...offers(offered).keys()].join(' ');
  throw new LocalError(
    'SASL_NO_MECHANISM',
    `no acceptable mechanism is offered (offered: ${names === '' ? 'none' : names})`,
    {
      fields: { offered: names },
    },
  );
}
