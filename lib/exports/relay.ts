/**
 * Exports of `imxp/relay`: the relay without a node around it, for programs that bring their own channels, services,
 * routes or stores. A program that wants a whole relay calls `startNode` of `imxp` instead.
 */

export { DEFAULT_LIMITS, type Limits } from '../config/limits.js';
export type { Reply } from '../errors.js';
export { type Address, addressOf, parseAddress } from '../imxp/address.js';
export { type Content, contentOf, type MadeContent, type MadeData, makeData } from '../imxp/content.js';
export { APEX_PROFILE, apexDialect } from '../imxp/dialect/apex.js';
export type { Dialect, DialectLimits } from '../imxp/dialect/dialect.js';
export { IMXP_PROFILE, imxpDialect } from '../imxp/dialect/imxp.js';
export {
  type AnonymousIdentity,
  type EndpointIdentity,
  type Identity,
  NOBODY,
  type Proof,
  type RelayIdentity,
} from '../imxp/identity.js';
export type {
  Attach,
  Bind,
  Data,
  ErrorReply,
  Ok,
  Operation,
  OperationReply,
  Option,
  Recipient,
  TargetHop,
  Terminate,
} from '../imxp/operation.js';
export type { AccessEntry } from '../imxp/vocabulary/access.js';
export { type MeshAcceptor, MeshProfile } from '../mesh/profile.js';
export type { Payload } from '../mime/payload.js';
export type { Clock } from '../ops/clock.js';
export type { AccountRules } from '../relay/accounts.js';
export type { Attachment, AttachmentWatcher } from '../relay/attachments.js';
export type { MeshChannel, MeshHandler, ReplySink } from '../relay/channel.js';
export type { BindCheck, RelayLimits, RelayOptions, RelaySettings } from '../relay/context.js';
export type { OfflineLimits, OfflineOptions } from '../relay/offline/queues.js';
export type { Spool, SpoolEntry, SpoolRecord } from '../relay/offline/spool.js';
export { type OptionPlace, OptionRegistry, type OptionScope } from '../relay/options.js';
export { type PolicyRules, STRICT_POLICY } from '../relay/policy.js';
export { Rates, type RelayRates } from '../relay/rates.js';
export { type OptionPolicy, registeredOptions } from '../relay/registered.js';
export { Relay } from '../relay/relay.js';
export type { Reporter, StatusReport } from '../relay/status.js';
export type {
  AccessPolicy,
  DeliverySink,
  DeliveryTarget,
  Dialer,
  Directory,
  OutboundDelivery,
} from '../relay/target.js';
export { makeVerifier, type Verifier, type VerifierOptions } from '../sasl/verifier.js';
export { ACCESS, AccessService, type AccessServiceOptions } from '../services/access.js';
export { AccessCache } from '../services/access-cache.js';
export { PRESENCE, type PresenceOptions, PresenceService } from '../services/presence/service.js';
export { REPORT, ReportService } from '../services/report.js';
export { AccessEntries } from '../store/access.js';
export { type Account, type AccountProfile, type AccountRecord, Accounts } from '../store/accounts.js';
export { MemoryStore } from '../store/memory.js';
export { openStore } from '../store/open.js';
export { MemorySpool, openSpool } from '../store/spool.js';
export type { Change, Entry, Json, Listed, Store } from '../store/store.js';
export { systemClock } from '../transport/clock.js';
