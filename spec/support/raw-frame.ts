/** Frames as the RFC prints them: part of the peer that `imxp interop` is made of, in one place for both. */
export * from '../../kit/conformance/peer/frame.js';
