/**
 * What a web page may use of this package: `imxp/browser`, made for browsers by `web/build.ts`. The same endpoint as in
 * Node, over the browser's own WebSocket.
 */

export type { Delivery } from '../endpoint/delivery.js';
export { Endpoint, type EndpointEvents } from '../endpoint/endpoint.js';
export type { Message } from '../endpoint/message.js';
export type { OptionInit } from '../endpoint/option.js';
export { ENDPOINT_LIMITS, type EndpointLimits, type EndpointOptions } from '../endpoint/options.js';
export type { Outcome } from '../endpoint/outcome.js';
export type { PresenceInfo } from '../endpoint/presence-info.js';
export { ImxpError, LocalError, RefusedError, RemoteProtocolError, type Reply, TransportError } from '../errors.js';
export { InstantMessage, type InstantMessageInit, instantMessage } from '../message/instant-message.js';
