/**
 * Composes the HTTP API of a node. Loaded only where it is configured, because it comes with part of the endpoint library.
 */
import { Api } from '../admin/api.js';
import type { OperationContext } from '../admin/api-operations.js';
import { MessageStreams } from '../admin/message-streams.js';
import { PresenceRequests } from '../admin/presence-requests.js';
import { senderBy } from '../admin/send.js';
import type { Token } from '../admin/tokens.js';
import type { Limits } from '../config/limits.js';
import type { Submit } from '../services/outgoing.js';

/** What the API needs of the node. */
export interface HttpApiContext extends Omit<OperationContext, 'send' | 'streams' | 'presence'> {
  readonly submit: Submit;
}

export function httpApi(tokens: readonly Token[], limits: Limits['api'], { submit, ...context }: HttpApiContext): Api {
  const operations = {
    ...context,
    send: senderBy(submit),
    streams: new MessageStreams(),
    presence: new PresenceRequests(context.endpoints),
  };
  return new Api(tokens, operations, limits);
}
