/** Time limits for waits: part of the peer that `imxp interop` is made of, in one place for both. */
export * from '../../kit/conformance/peer/within.js';
