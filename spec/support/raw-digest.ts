/** DIGEST-MD5 by node:crypto alone: part of the peer that `imxp interop` is made of, in one place for both. */
export * from '../../bin/support/interop/peer/digest.js';
