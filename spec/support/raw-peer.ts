/** A peer that shares no code with the program: part of the peer that `imxp interop` is made of, in one place for both. */
export * from '../../kit/conformance/peer/peer.js';
