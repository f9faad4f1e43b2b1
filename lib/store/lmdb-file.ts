/**
 * Checks whether a file is an intact lmdb database. The engine maps the file and trusts its contents: a damaged one
 * would crash the process without a message. Only reads the file.
 *
 * The format is that of liblmdb's data version 2 as the lmdb package has it
 * (dependencies/lmdb/libraries/liblmdb/mdb.c): two meta pages, of which the one with the higher transaction counts, and
 * trees of branch, leaf and overflow pages.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { LocalError } from '../errors.js';

/** MDB_MAGIC, MDB_DATA_VERSION. */
const MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;

/**
 * Offsets in a page: number, flags, end of the pointers to its nodes, and these. Both count from behind the header
 * (PAGEBASE).
 */
const FLAGS_AT = 18;
const LOWER_AT = 20;
const HEADER_OCTETS = 24;
const BRANCH = 0x01;
const LEAF = 0x02;
const OVERFLOW = 0x04;
const META = 0x08;

/** Offsets in a node: low and high half of a size or page number, flags, octets of the key, the key. */
const NODE_OCTETS = 8;
const BIG_DATA = 0x01;
const SUB_TREE = 0x02;

/** Offsets in a meta page, counted from its header; a tree's root is the last field of its MDB_db. */
const TREE_OCTETS = 48;
const ROOT_AT = 40;
const META_OCTETS = 144;

const NO_PAGE = 0xffff_ffff_ffff_ffffn;

/**
 * Number of pages checked, those near the root first: about a quarter of a second's worth, more than 100,000 accounts
 * take.
 */
const MOST_PAGES = 32_768;

interface Meta {
  readonly pageOctets: number;
  readonly roots: readonly bigint[];
  readonly transaction: bigint;
}

class Damage extends Error {}

/** Whether the engine writes numbers in the byte order that is read here. */
const READABLE = new Set(['x64', 'arm64']);

/**
 * Checks a database file; blocks while it does.
 *
 * @returns what is wrong with it; undefined if nothing is, or if the file does not exist
 */
export function lmdbDamage(path: string): string | undefined {
  if (!READABLE.has(process.arch)) return undefined;
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const { size } = fstatSync(file);
    return size === 0 ? undefined : damageOf(file);
  } finally {
    closeSync(file);
  }
}

/**
 * Checks the database in a directory before it is opened.
 *
 * @param advice what to do if it cannot be used
 * @throws LocalError STORE_FAILED if it is damaged
 */
export function refuseDamaged(directory: string, advice: string): void {
  const file = join(directory, 'data.mdb');
  const damage = lmdbDamage(file);
  if (damage !== undefined) throw new LocalError('STORE_FAILED', `the store ${file} is damaged: ${damage}; ${advice}`);
}

function damageOf(file: number): string | undefined {
  for (;;) {
    let before: bigint | undefined;
    try {
      const meta = metaOf(file);
      before = meta.transaction;
      // Another process may have extended the file, but it did so before it wrote what was just read.
      walk(file, fstatSync(file).size, meta);
      return undefined;
    } catch (error) {
      if (!(error instanceof Damage)) throw error;
      // Another process may reuse freed pages during the check; then it starts again.
      const after = before === undefined ? undefined : metaOf(file).transaction;
      if (after === before) return error.message;
    }
  }
}

function metaOf(file: number): Meta {
  const first = metaFrom(read(file, 0, HEADER_OCTETS + META_OCTETS));
  if (first === undefined) throw new Damage('it does not begin like a database');
  const second = metaFrom(read(file, first.pageOctets, HEADER_OCTETS + META_OCTETS));
  if (second === undefined) throw new Damage('its second page is not that of a database');
  return second.transaction > first.transaction ? second : first;
}

function metaFrom(octets: Buffer): Meta | undefined {
  if (octets.length < HEADER_OCTETS + META_OCTETS) return undefined;
  const meta = octets.subarray(HEADER_OCTETS);
  const good = octets.readUInt16LE(FLAGS_AT) & META && meta.readUInt32LE(0) === MAGIC;
  if (!good || meta.readUInt32LE(4) !== DATA_VERSION) return undefined;
  const trees = 24;
  // The tree of free pages stores the page size where others store something else.
  const pageOctets = meta.readUInt32LE(trees);
  if (pageOctets < 512 || pageOctets > 65_536 || (pageOctets & (pageOctets - 1)) !== 0) return undefined;
  const roots = [trees, trees + TREE_OCTETS].map((at) => meta.readBigUInt64LE(at + ROOT_AT));
  return { pageOctets, roots, transaction: meta.readBigUInt64LE(trees + 2 * TREE_OCTETS + 8) };
}

/**
 * Follows every tree from its root.
 *
 * @throws Damage
 */
function walk(file: number, size: number, { pageOctets, roots }: Meta): void {
  let level = roots.filter((root) => root !== NO_PAGE);
  let seen = 0;
  while (level.length > 0) {
    const below: bigint[] = [];
    for (const number of level) {
      seen += 1;
      if (seen > MOST_PAGES) return;
      if (number >= BigInt(Math.ceil(size / pageOctets)))
        throw new Damage(`page ${number} is missing: the file is truncated`);
      const page = read(file, Number(number) * pageOctets, pageOctets);
      if (page.length < pageOctets) throw new Damage(`page ${number} is missing: the file is truncated`);
      collect(page, number, below);
    }
    level = below;
  }
}

/**
 * Returns the pages that one page leads to.
 *
 * @throws Damage
 */
function collect(page: Buffer, number: bigint, below: bigint[]): void {
  const broken = new Damage(`page ${number} is corrupt`);
  const flags = page.readUInt16LE(FLAGS_AT);
  if (page.readBigUInt64LE(0) !== number || (flags & (BRANCH | LEAF | OVERFLOW)) === 0) throw broken;
  if ((flags & OVERFLOW) !== 0) return;
  const end = HEADER_OCTETS + page.readUInt16LE(LOWER_AT);
  if (end > page.length) throw broken;
  for (let at = HEADER_OCTETS; at < end; at += 2) {
    const node = HEADER_OCTETS + page.readUInt16LE(at);
    if (node < end || node + NODE_OCTETS > page.length) throw broken;
    const leads = (flags & BRANCH) !== 0 ? branch(page, node) : leaf(page, node);
    if (leads === null) throw broken;
    if (leads !== undefined && leads !== NO_PAGE) below.push(leads);
  }
}

function branch(page: Buffer, node: number): bigint {
  return BigInt(page.readUIntLE(node, 6));
}

/** @returns the page that a leaf's node leads to, if any; null if the node exceeds its page */
function leaf(page: Buffer, node: number): bigint | undefined | null {
  const flags = page.readUInt16LE(node + 4);
  const data = node + NODE_OCTETS + page.readUInt16LE(node + 6);
  const octets = (flags & BIG_DATA) !== 0 ? 8 : page.readUInt32LE(node);
  if (data + octets > page.length) return null;
  if ((flags & BIG_DATA) !== 0) return page.readBigUInt64LE(data);
  if ((flags & SUB_TREE) === 0) return undefined;
  return octets < TREE_OCTETS ? null : page.readBigUInt64LE(data + ROOT_AT);
}

function read(file: number, position: number, octets: number): Buffer {
  const buffer = Buffer.alloc(octets);
  return buffer.subarray(0, readSync(file, buffer, 0, octets, position));
}
