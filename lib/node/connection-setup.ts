/**
 * Setup of connections on the listeners of a node that are not plain TCP. Loaded only where there is one, because it comes
 * with HTTP and WebSocket.
 */
import type { NodeConfig } from '../config/schema.js';
import { ConnectionSetup, type ConnectionSetupOptions } from '../transport/connection-setup.js';
import type { ServedNames } from '../transport/served-names.js';
import { chatPage } from './chat-page.js';

/** What listeners of a node have in common. */
export interface SetupContext extends Pick<ConnectionSetupOptions, 'tls' | 'handshakes'> {
  readonly config: NodeConfig;
  readonly names: ServedNames;
}

/** @throws LocalError CONFIGURATION when a page that is to be served was not built */
export function connectionSetup(
  { transport, host, path, origins, web }: NodeConfig['listen'][number],
  { config, names, ...shared }: SetupContext,
): ConnectionSetup | undefined {
  if (transport === 'tcp') return undefined;
  const knows = (name: string): boolean => name === host || names.includes(name);
  const page = web && chatPage(web.path, { webSocket: path ?? '/', domains: config.domains });
  const rules = { path: path ?? '/', origins: origins ?? [], knows, ...(page === undefined ? {} : { page }) };
  return new ConnectionSetup({ ...shared, transport, rules, limits: config.limits });
}
