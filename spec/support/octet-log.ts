/**
 * A log of every octet that crossed a socket: part of the peer that `imxp interop` is made of, in one place for both.
 */
export * from '../../kit/conformance/peer/octet-log.js';
