/**
 * Compares a running configuration with the next one: what can be applied, and what needs a restart. Applies nothing.
 */
import { isDeepStrictEqual } from 'node:util';
import type { NodeConfig } from './schema.js';

type Section = keyof NodeConfig;

/**
 * Sections that a running node cannot change, because sockets, files or sessions were made from them. The others are
 * read again by each new session, link or Data operation.
 */
const NEEDS_RESTART: ReadonlySet<Section> = new Set<Section>([
  'domains',
  'listen',
  'sasl',
  'store',
  'compatibility',
  'admin',
  'limits',
  'workers',
  'cluster',
]);

export interface Reload {
  /** Changed sections that take effect at once. */
  readonly applied: readonly Section[];
  /** Changed sections that take effect only after a restart. */
  readonly restart: readonly Section[];
}

/** Compares a running configuration with the next one. */
export function reloadable(old: NodeConfig, next: NodeConfig): Reload {
  const sections = new Set([...Object.keys(old), ...Object.keys(next)]) as Set<Section>;
  const changed = [...sections].filter((section) => !isDeepStrictEqual(old[section], next[section]));
  return {
    applied: changed.filter((section) => !NEEDS_RESTART.has(section)),
    restart: changed.filter((section) => NEEDS_RESTART.has(section)),
  };
}
