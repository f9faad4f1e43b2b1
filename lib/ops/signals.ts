/**
 * Signals of the operating system to a running node: SIGTERM and SIGINT drain it, a second one ends it at once, SIGHUP
 * reloads. Knows nothing of how that is done.
 */

export interface SignalHandlers {
  /** The first SIGTERM or SIGINT. */
  drain(signal: NodeJS.Signals): void;
  /** A second one: the operator does not want to wait. */
  abort(signal: NodeJS.Signals): void;
  /** SIGHUP. Never called before an earlier call has ended; signals in the meantime lead to one more call. */
  reload(): Promise<void>;
  /** A reload was rejected; the node continues unchanged. */
  reloadFailed(error: unknown): void;
}

/** The part of `process` that is needed. */
export interface SignalSource {
  on(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
  off(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
}

/** @returns a function that restores the default behaviour of the signals */
export function handleSignals(handlers: SignalHandlers, source: SignalSource = process): () => void {
  let draining = false;
  let reloading = false;
  let again = false;

  const end = (signal: NodeJS.Signals): void => {
    if (draining) {
      handlers.abort(signal);
      return;
    }
    draining = true;
    handlers.drain(signal);
  };

  const reload = async (): Promise<void> => {
    // A node that is stopping has no use for a new configuration.
    if (draining) return;
    again = true;
    if (reloading) return;
    reloading = true;
    try {
      while (again && !draining) {
        again = false;
        await handlers.reload().catch((error: unknown) => handlers.reloadFailed(error));
      }
    } finally {
      reloading = false;
    }
  };
  const hangup = (): void => void reload();

  source.on('SIGTERM', end);
  source.on('SIGINT', end);
  source.on('SIGHUP', hangup);
  return () => {
    source.off('SIGTERM', end);
    source.off('SIGINT', end);
    source.off('SIGHUP', hangup);
  };
}
