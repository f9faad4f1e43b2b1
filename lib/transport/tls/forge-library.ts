/** node-forge, loaded when legacy TLS is offered for the first time: it takes a twentieth of a second, and few need it. */
import type Forge from 'node-forge';

/** Undefined until {@link loadForge} is done, which all do before they make a handshake. */
export let forge: typeof Forge;
let loading: Promise<void> | undefined;

async function load(): Promise<void> {
  ({ default: forge } = await import('node-forge'));
}

/** May be called often. */
export function loadForge(): Promise<void> {
  loading ??= load();
  return loading;
}
