/**
 * The table of requirements (spec/fixtures/requirements.json) and the ids that spec titles carry. Knows nothing of what
 * a requirement demands.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface Requirement {
  readonly id: string;
  readonly level: 'MUST' | 'MUST NOT' | 'SHOULD' | 'SHOULD NOT' | 'MAY';
  readonly text: string;
  readonly source: string;
}

/** Requirements left for later, and why. */
export interface Deferral {
  readonly ids: readonly string[];
  readonly reason: string;
}

export interface RequirementTable {
  readonly requirements: readonly Requirement[];
  readonly deferred: readonly Deferral[];
}

export const PROJECT = fileURLToPath(new URL('../../', import.meta.url));

const ID = /REQ-[A-Z]+-\d{3}(?!\d)/g;

/** Every id in a text, in order, each once. */
export function idsIn(text: string): string[] {
  return [...new Set(text.match(ID) ?? [])];
}

/** `BEEP` of `REQ-BEEP-012`. */
export function areaOf(id: string): string {
  return id.split('-')[1] ?? '';
}

export function requirementTable(): RequirementTable {
  return JSON.parse(readFileSync(new URL('../fixtures/requirements.json', import.meta.url), 'utf8'));
}

/** Paths of all spec files, absolute and sorted. */
export function specFiles(): string[] {
  return readdirSync(`${PROJECT}spec`, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.spec.ts'))
    .map((path) => `${PROJECT}spec/${path}`)
    .sort();
}
