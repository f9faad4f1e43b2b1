/** Octets cut into small segments: part of the peer that `imxp interop` is made of, in one place for both. */
export * from '../../kit/conformance/peer/segments.js';
