/** Configuration of one worker: that of the node, with its share of what limits all sessions together. */
import type { NodeConfig } from '../config/schema.js';

/** Share of the time to stop that is left to the workers: the center stops after them. */
const STOP_SHARE = 0.8;

/**
 * Limits per address and per account stay what they are: a peer has one session mostly, and attachments and failed logins
 * are counted over all workers.
 *
 * @param workers how many of them there are
 */
export function workerConfig(config: NodeConfig, workers: number): NodeConfig {
  const { node, unauthenticated, anonymous, session } = config.limits;
  // 0 stands for any number.
  const share = (limit: number, least = 1): number => (limit === 0 ? 0 : Math.max(least, Math.ceil(limit / workers)));
  const limits = {
    ...config.limits,
    node: {
      ...node,
      sessions: share(node.sessions),
      loginsPerSecond: share(node.loginsPerSecond),
      loginBurst: share(node.loginBurst),
      handshakes: share(node.handshakes, 2),
      // One message of the largest size has room everywhere.
      unfinishedOctets: Math.min(node.unfinishedOctets, share(node.unfinishedOctets, session.messageOctets)),
      drainTimeoutMs: Math.ceil(node.drainTimeoutMs * STOP_SHARE),
    },
    unauthenticated: { ...unauthenticated, sessions: share(unauthenticated.sessions) },
    anonymous: { ...anonymous, sessions: share(anonymous.sessions) },
  };
  return { ...config, limits, workers: 1, admin: undefined, webhooks: [] };
}
