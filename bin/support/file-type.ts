/** Media types and names of files: what is sent with a file, and under which name what arrived is stored. */
import { isUtf8 } from 'node:buffer';
import { basename } from 'node:path';
import mime from 'mime/lite';
import { guessedType } from '../../lib/endpoint/content.js';
import { disposition, fileNameIn } from '../../lib/mime/file-name.js';
import type { HeaderField } from '../../lib/mime/headers.js';

/** What describes the content of a message. */
export interface FileType {
  readonly type: string;
  readonly headers: readonly HeaderField[];
}

/**
 * The type by the extension of a file, else by its octets; and its name.
 *
 * @param file undefined or `-` for standard input
 * @param given the type that the user gave
 */
export function typeOf(file: string | undefined, octets: Buffer, given: string | undefined): FileType {
  if (file === undefined || file === '-') return { type: given ?? guessedType(octets), headers: [] };
  return {
    type: given ?? typeByName(file, octets),
    headers: [{ name: 'Content-Disposition', value: disposition(basename(file)) }],
  };
}

function typeByName(file: string, octets: Buffer): string {
  const known = mime.getType(file);
  // What the octets say of text includes its charset, which an extension does not.
  if (known === null || known === 'text/plain') return guessedType(octets);
  return known.startsWith('text/') && isUtf8(octets) ? `${known}; charset=UTF-8` : known;
}

const LONGEST_NAME = 100;

/**
 * The name that a sender gave a file, as one of a file here: without directories, control characters, what shells and file
 * systems treat specially, and dots at its ends.
 *
 * @param value of Content-Disposition
 * @returns undefined where there is none that is left
 */
export function safeName(value: string | undefined): string | undefined {
  const safe = (fileNameIn(value) ?? '')
    .normalize('NFC')
    .replace(/[^\p{L}\p{M}\p{N}._+=@-]/gu, '_')
    .replace(/^[._-]+|\.+$/g, '');
  const extension = /\.[A-Za-z0-9]{1,10}$/.exec(safe)?.[0] ?? '';
  const short =
    [...safe].length <= LONGEST_NAME
      ? safe
      : `${[...safe].slice(0, LONGEST_NAME - extension.length).join('')}${extension}`;
  return short === '' ? undefined : short;
}

/** The extension for a media type, with its dot. */
export function extensionOf(type: string): string {
  const essence = type.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  const extension = essence === 'application/octet-stream' ? 'bin' : mime.getExtension(essence);
  return `.${extension ?? 'bin'}`;
}
