/** Inputs that once failed, kept as `spec/fixtures/fuzz/TARGET-HASH.bin`: each is tried again by a spec for ever. */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { TARGETS, type TargetName } from './reader.js';

const FOLDER = fileURLToPath(new URL('../fixtures/fuzz/', import.meta.url));

export interface KeptInput {
  readonly target: TargetName;
  readonly file: string;
  readonly octets: Buffer;
}

/** @returns the path of the file */
export function keepInput(target: TargetName, octets: Buffer): string {
  mkdirSync(FOLDER, { recursive: true });
  const hash = createHash('sha256').update(octets).digest('hex').slice(0, 12);
  const path = `${FOLDER}${target}-${hash}.bin`;
  writeFileSync(path, octets);
  return path;
}

export function keptInputs(): KeptInput[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith('.bin'))
    .map((file) => {
      const target = TARGETS.find((name) => file.startsWith(`${name}-`));
      if (target === undefined) throw new Error(`${file} is named after no target`);
      return { target, file, octets: readFileSync(`${FOLDER}${file}`) };
    });
}
