/**
 * Exports of `imxp`: the endpoint, for applications, and the node, for programs that run a relay. Everything that is not
 * exported here or beside this file may change without notice.
 */

export { parseConfig } from '../config/parse.js';
export { ConfigurationError, type Problem } from '../config/problem.js';
export { parseRelayUrl, type RelayLocation } from '../config/relay-url.js';
export type { NodeConfig, NodeConfigInput } from '../config/schema.js';
export type { AccessClient, AccessEntryInfo, AccessInfo, AccessRequest } from '../endpoint/access.js';
export type { Conditions, HopsInit, TimingInit } from '../endpoint/conditions.js';
export type { CpimObjectContent, JsonContent, MessageContent, UriContent, XmlContent } from '../endpoint/content.js';
export type { Delivery, ReplyInit } from '../endpoint/delivery.js';
export { Endpoint, type EndpointEvents, type RequestOptions } from '../endpoint/endpoint.js';
export type { DeliveryHandler, ReceiveOptions } from '../endpoint/inbox.js';
export { type KnownCertificate, KnownDirectory } from '../endpoint/known-directory.js';
export type { Encoded, Message } from '../endpoint/message.js';
export type { OptionInit } from '../endpoint/option.js';
export {
  ENDPOINT_LIMITS,
  type EndpointLimits,
  type EndpointOptions,
  type ReconnectOptions,
  type TlsUse,
} from '../endpoint/options.js';
export type { SendSink } from '../endpoint/outbox.js';
export { certainlyNotDelivered, type Outcome } from '../endpoint/outcome.js';
export type {
  OngoingRequest,
  PollRequest,
  PresenceClient,
  PresenceRequest,
  PublishRequest,
  SubscribeRequest,
  SubscriptionNotice,
} from '../endpoint/presence.js';
export type { Feed } from '../endpoint/presence-feed.js';
export type { PresenceInfo, PresenceTuple, PresenceTupleInit, PresenceUpdate } from '../endpoint/presence-info.js';
export type { RecipientStatus, RelayReport } from '../endpoint/report.js';
export type { SecureFiles } from '../endpoint/secure.js';
export type { StampInit } from '../endpoint/stamp.js';
export type {
  Echo,
  ProbeOptions,
  Status,
  StatusOptions,
} from '../endpoint/status.js';
export * from '../errors.js';
export type { Content } from '../imxp/content.js';
export type { Data, Option, Recipient, TargetHop } from '../imxp/operation.js';
export type { AccessEntry } from '../imxp/vocabulary/access.js';
export type { Extension, ForeignAttribute } from '../imxp/vocabulary/extension.js';
export type { InstantMessage, InstantMessageInit } from '../message/instant-message.js';
export type { Opened } from '../message/open.js';
export type { Signature } from '../message/smime/signature.js';
export type { MessageForm } from '../message/write.js';
export { loadConfig } from '../node/configuration.js';
export { type Listening, Node, startNode } from '../node/node.js';
export { events } from '../ops/events.js';
export { type Log, type LogLevel, type LogOptions, startLog } from '../ops/log.js';
export type { Account, AccountProfile, AccountRecord, Accounts } from '../store/accounts.js';
