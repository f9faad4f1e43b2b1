/** Who hears what happens on a stream: one owner at a time, through listeners that all streams share. */
import type { Duplex } from 'node:stream';

export interface StreamOwner {
  received(chunk: Buffer): void;
  /** The stream can take more again. */
  drained(): void;
  /** The stream has ended or failed. */
  lost(error: Error | undefined): void;
}

const OWNER = Symbol('owner');
type OwnedStream = Duplex & { [OWNER]?: StreamOwner | undefined };

/** Gives the stream an owner and lets it flow. */
export function own(stream: OwnedStream, owner: StreamOwner): void {
  stream[OWNER] = owner;
  stream.on('data', onData);
  stream.on('drain', onDrain);
  stream.on('end', onEnd);
  stream.on('error', onError);
  stream.on('close', onEnd);
}

/**
 * Takes the owner away. What still fails on the stream adds nothing: the old owner has done with it, the next one learns of
 * it by the stream's end.
 */
export function disown(stream: OwnedStream): void {
  stream.off('data', onData);
  stream.off('drain', onDrain);
  stream.off('end', onEnd);
  stream.off('close', onEnd);
  stream.off('error', onError);
  stream.on('error', ignore);
  stream[OWNER] = undefined;
}

function onData(this: OwnedStream, chunk: Buffer): void {
  this[OWNER]?.received(chunk);
}

function onDrain(this: OwnedStream): void {
  this[OWNER]?.drained();
}

function onEnd(this: OwnedStream): void {
  this[OWNER]?.lost(undefined);
}

function onError(this: OwnedStream, error: Error): void {
  this[OWNER]?.lost(error);
}

function ignore(): void {}
