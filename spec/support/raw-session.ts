/** One BEEP session of a raw peer: part of the peer that `imxp interop` is made of, in one place for both. */
export * from '../../bin/support/interop/peer/session.js';
