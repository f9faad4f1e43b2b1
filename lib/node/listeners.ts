/** What all listeners of a node share: the profiles they serve, and the limits that count over all of them. */
import type { NodeConfig } from '../config/schema.js';
import { ANONYMOUS } from '../imxp/anonymous.js';
import { externalNames, meshPeer } from '../mesh/identity.js';
import { TokenBuckets } from '../ops/token-bucket.js';
import type { Policy } from '../relay/policy.js';
import type { PeerIdentity } from '../sasl/identity.js';
import type { Authentication } from '../sasl/mechanism.js';
import { NonceCache } from '../sasl/nonce-cache.js';
import type { ServerSettings } from '../sasl/settings.js';
import type { Accounts } from '../store/accounts.js';
import { Admission } from '../transport/admission.js';
import { systemClock } from '../transport/clock.js';
import type { ListenerOptions } from '../transport/listener.js';
import { LoginThrottle } from '../transport/login-throttle.js';
import { ProfileTable, type ServedProfile } from '../transport/profile.js';
import { SaslProfile } from '../transport/sasl/profile.js';
import type { Handshakes } from '../transport/tls/handshakes.js';
import { TlsProfile } from '../transport/tls/profile.js';
import type { TlsService } from '../transport/tls/service.js';

/** What TLS and SASL need of the node. */
export interface TuningContext {
  readonly tls: TlsService;
  readonly accounts: Accounts;
  /** The policy in force. */
  readonly policy: () => Policy;
  readonly handshakes: Handshakes;
  /** Default: one of its own. */
  readonly throttle: LoginThrottle | undefined;
}

/** D-CORE-47: peers that use ANONYMOUS have an identity where the policy gives them one. */
function anonymousPeer(
  { mechanism }: Authentication,
  privacy: boolean,
  [domain = '']: readonly string[],
  policy: Policy,
): PeerIdentity | undefined {
  if (mechanism !== 'ANONYMOUS' || !policy.anonymous) return undefined;
  return { name: `${ANONYMOUS}@${domain}`, mechanism, privacy };
}

/**
 * Returns the options that all listeners have in common.
 *
 * @param meshes the profiles of the relay
 * @param secret the secret behind decoys for unknown users
 */
export function listenerOptions(
  config: NodeConfig,
  context: TuningContext,
  meshes: readonly ServedProfile[],
  secret: Buffer,
): Omit<ListenerOptions, 'host' | 'port' | 'serves' | 'setup'> {
  const { limits } = config;
  const throttle = context.throttle ?? new LoginThrottle(limits.authentication);
  return {
    profiles: new ProfileTable([...tuningProfiles(config, context, secret, throttle), ...meshes]),
    limits,
    throttle,
    admission: new Admission(limits.node, systemClock),
    starts: new TokenBuckets({ perSecond: limits.rate.startPerSecond, burst: limits.rate.startBurst }),
  };
}

function tuningProfiles(
  { domains, sasl, tls, compatibility }: NodeConfig,
  context: TuningContext,
  secret: Buffer,
  throttle: LoginThrottle,
): ServedProfile[] {
  const { accounts, handshakes } = context;
  const settings: ServerSettings = {
    mechanisms: sasl.mechanisms,
    credentials: accounts,
    realms: sasl.realm === undefined ? domains : [sasl.realm],
    // If the operator names the hosts, a digest-uri must name one of them (RFC 2831 §2.1.2).
    ...(sasl.serverNames.length > 0 ? { hosts: [...domains, ...sasl.serverNames] } : {}),
    secret,
    qops: sasl.qops,
    authorize: (account, authzid) => context.policy().mayActAs(account, authzid),
    suspended: (account) => accounts.suspended(account),
    nonces: new NonceCache(),
  };
  const profiles: ServedProfile[] = [];
  const draft = compatibility.draftNames;
  if (context.tls.canServe) profiles.push(new TlsProfile(context.tls, handshakes, draft));
  profiles.push(
    ...SaslProfile.all(settings, throttle, {
      privately: tls.require === 'always',
      draft,
      identify: (authentication, privacy) =>
        meshPeer(authentication, privacy) ?? anonymousPeer(authentication, privacy, domains, context.policy()),
      certificateNames: externalNames,
    }),
  );
  return profiles;
}
