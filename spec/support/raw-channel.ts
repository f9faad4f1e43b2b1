/** The state of one channel of a raw peer: part of the peer that `imxp interop` is made of, in one place for both. */
export * from '../../kit/conformance/peer/channel.js';
