/** DIGEST-MD5 by node:crypto alone: part of the peer that `imxp interop` is made of, in one place for both. */
export * from '../../kit/conformance/peer/digest.js';
