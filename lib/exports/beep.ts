/**
 * Exports of `imxp/beep`: BEEP (RFC 3080, RFC 3081) for applications that define their own profiles. `listen` and
 * `connect` make sessions on real connections; {@link Session} is the protocol alone, without sockets and clocks, for
 * programs that bring their own.
 */
export type {
  Greeting,
  Outbound,
  Proposal,
  SessionEvent,
  StartEvent,
} from '../beep/event.js';
export type { BeepLimits } from '../beep/limits.js';
export { BEEP_LIMITS } from '../beep/limits.js';
export type { ProfileContent } from '../beep/management.js';
export { errorElement, profileDocument, profileMessage } from '../beep/profile-message.js';
export {
  type ChannelInfo,
  type Offer,
  type Role,
  Session,
  type SessionOptions,
  type SessionState,
} from '../beep/session.js';
export * from '../errors.js';
export { type Entity, parseEntity } from '../mime/entity.js';
export { contiguous, type Payload } from '../mime/payload.js';
export type { PeerIdentity } from '../sasl/identity.js';
export type { Authorize } from '../sasl/settings.js';
export type { CredentialStore, Verifier } from '../sasl/verifier.js';
export type { ErrorCodec } from '../transport/channel.js';
export type { NetworkAddress } from '../transport/network.js';
export {
  BeepChannel,
  type BeepReply,
  BeepRequest,
  type ChannelUser,
  type MessagePayload,
  refusal,
  type TransportChange,
} from '../transport/peer/channel.js';
export { type ConnectOptions, connect } from '../transport/peer/connect.js';
export { BeepConnection, type StartedChannel, type StartOptions } from '../transport/peer/connection.js';
export { BeepListener, type ListenOptions, listen, type SaslOptions, verifierFor } from '../transport/peer/listen.js';
export type { PeerLimits, PeerOptions } from '../transport/peer/options.js';
export type { BeepProfile } from '../transport/peer/profile.js';
export type { ChannelCondition, ServedProfile } from '../transport/profile.js';
export type { Credentials } from '../transport/sasl/client.js';
export type { HandedOver } from '../transport/session-io.js';
export type { TlsMaterial } from '../transport/tls/native.js';
