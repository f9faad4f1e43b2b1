/** What other programs may use of this package. Everything else may change without notice. */

export { ConfigurationError, type Problem } from './config/problem.js';
export { parseRelayUrl, type RelayLocation } from './config/relay-url.js';
export type { NodeConfig, NodeConfigInput } from './config/schema.js';
export type { AccessClient, AccessEntryInfo, AccessInfo, AccessRequest } from './endpoint/access.js';
export type { Conditions, HopsInit, TimingInit } from './endpoint/conditions.js';
export type { CpimObjectContent, MessageContent, UriContent, XmlContent } from './endpoint/content.js';
export type { Delivery } from './endpoint/delivery.js';
export { Endpoint, type EndpointEvents } from './endpoint/endpoint.js';
export type { DeliveryHandler } from './endpoint/inbox.js';
export type { Encoded, Message } from './endpoint/message.js';
export type { OptionInit } from './endpoint/option.js';
export {
  ENDPOINT_LIMITS,
  type EndpointLimits,
  type EndpointOptions,
  type ReconnectOptions,
  type TlsUse,
} from './endpoint/options.js';
export type { SendSink } from './endpoint/outbox.js';
export { certainlyNotDelivered, type Outcome } from './endpoint/outcome.js';
export type { OngoingRequest, PresenceClient, PresenceRequest, SubscriptionNotice } from './endpoint/presence.js';
export type { Feed } from './endpoint/presence-feed.js';
export type { PresenceInfo, PresenceTuple, PresenceTupleInit, PresenceUpdate } from './endpoint/presence-info.js';
export type { RecipientStatus, RelayReport } from './endpoint/report.js';
export type { SecureFiles } from './endpoint/secure.js';
export type {
  Echo,
  ProbeOptions,
  Status,
  StatusOptions,
} from './endpoint/status.js';
export {
  ERROR_CODES,
  type ErrorCode,
  ImxpError,
  LocalError,
  RefusedError,
  RemoteProtocolError,
  type Reply,
  TransportError,
} from './errors.js';
export {
  type CpimPresence,
  type CpimResponse,
  type CpimService,
  type CpimStatus,
  type LinkSecurity,
  type MessageOperation,
  type NotifyOperation,
  responseTo,
  type SubscribeOperation,
} from './gateway/cpim-service.js';
export { Gateway, type GatewayOptions } from './gateway/gateway.js';
export { LocalPeer } from './gateway/local-peer.js';
export { type EndpointGatewayOptions, openGateway } from './gateway/open.js';
export { PIDF_TYPE, type PidfDocument, readPidf, writePidf } from './gateway/pidf.js';
export type { ImxpPort } from './gateway/port.js';
export type { Content } from './imxp/content.js';
export type { Data, Option, Recipient, TargetHop } from './imxp/operation.js';
export type { AccessEntry } from './imxp/vocabulary/access.js';
export type { AddressEntry, Group, Mailbox } from './message/address-list.js';
export { type CpimInit, CpimMessage, parseCpim, writeCpim } from './message/cpim/document.js';
export { fieldOf, MESSAGE_NAMESPACE, type MessageField } from './message/field.js';
export { InstantMessage, type InstantMessageInit, instantMessage } from './message/instant-message.js';
export { type Opened, openMessage } from './message/open.js';
export { fromMail, toMail } from './message/rfc822/convert.js';
export type { MadeEntity, OpenEntity } from './message/smime/entity.js';
export type { Signature } from './message/smime/judgement.js';
export {
  type FindCertificate,
  type Sealing,
  Secure,
  type SecureOptions,
  type Unsealed,
} from './message/smime/secure.js';
export { SIGNATURE_FAULTS, type SignatureFault } from './message/smime/signature-fault.js';
export { addressOfUri, parseInstantUri, uriOfAddress } from './message/uri.js';
export type { MessageForm } from './message/write.js';
export { loadConfig } from './node/configuration.js';
export { type Listening, Node, startNode } from './node/node.js';
export { events } from './ops/events.js';
export { type Log, type LogLevel, type LogOptions, startLog } from './ops/log.js';
export type { RelayOptions } from './relay/context.js';
export { Relay } from './relay/relay.js';
