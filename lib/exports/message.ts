/**
 * Exports of `imxp/message`: instant messages (message/RFC822+XML), message/cpim, PIDF, S/MIME, and gateways between
 * endpoints and other systems, by CPIM.
 */

export { parseXmppGatewayConfig, type XmppGatewayConfig } from '../config/gateway.js';
export { type MailGatewayConfig, parseMailGatewayConfig } from '../config/mail-gateway.js';
export {
  type CpimResponse,
  type CpimService,
  type CpimStatus,
  type LinkSecurity,
  type MessageOperation,
  type NotifyOperation,
  responseTo,
  type SubscribeOperation,
} from '../gateway/cpim-service.js';
export { Gateway, type GatewayOptions } from '../gateway/gateway.js';
export { LocalPeer } from '../gateway/local-peer.js';
export { MailGateway, type MailGatewayOptions, type MailGatewayPort } from '../gateway/mail/start.js';
export { type EndpointGatewayOptions, openGateway } from '../gateway/open.js';
export type { ImxpPort, PortDelivery, PortMessage, PortOption } from '../gateway/port.js';
export { XmppGateway, type XmppGatewayOptions, type XmppGatewayPort } from '../gateway/xmpp/start.js';
export type { Data } from '../imxp/operation.js';
export type { AddressEntry, Group, Mailbox } from '../message/address-list.js';
export { type CpimInit, CpimMessage, parseCpim, writeCpim } from '../message/cpim/document.js';
export { fieldOf, MESSAGE_NAMESPACE, type MessageField } from '../message/field.js';
export { InstantMessage, type InstantMessageInit, instantMessage } from '../message/instant-message.js';
export { type Opened, openMessage } from '../message/open.js';
export {
  type CpimPresence,
  type CpimTuple,
  PIDF_TYPE,
  type PidfDocument,
  type PidfEntity,
  readPidf,
  writePidf,
} from '../message/pidf.js';
export { type ReadOptions, readMessage } from '../message/read.js';
export { type FromMailOptions, fromMail, type ToMailOptions, toMail } from '../message/rfc822/convert.js';
export type { MadeEntity, OpenEntity } from '../message/smime/entity.js';
export type { SignerTrust } from '../message/smime/known.js';
export type { KnownCertificates } from '../message/smime/known-certificates.js';
export {
  type FindCertificate,
  type Sealing,
  Secure,
  type SecureOptions,
  type Unsealed,
} from '../message/smime/secure.js';
export type { Signature } from '../message/smime/signature.js';
export { SIGNATURE_FAULTS, type SignatureFault } from '../message/smime/signature-fault.js';
export type { ClassicVersion } from '../message/smime/version.js';
export {
  addressOfUri,
  type ForeignAddress,
  foreignAddress,
  type InstantUri,
  parseForeignAddress,
  parseInstantUri,
  presenceServiceOf,
  type UriMailbox,
  uriOfAddress,
} from '../message/uri.js';
export { type Composition, compositionOf, uriOfTyped } from '../message/uri-composition.js';
export { MESSAGE_TYPE, type MessageForm, writeMessage } from '../message/write.js';
