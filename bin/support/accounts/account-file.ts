/**
 * A file that is read twice, piece by piece: once to find what is wrong with it, once to write what it says. Standard input
 * and other streams cannot be read twice, and are kept in memory.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { decoded, decoderOf, describeFileError } from '../../../lib/config/password-file.js';
import { CommandError, EXIT } from '../exit.js';

const PIECE_OCTETS = 65_536;

export interface TextPiece {
  readonly text: string;
  /** Octets of the file so far. */
  readonly octets: number;
  readonly last: boolean;
}

/** Reads octets from a place on; fewer than wanted only at the end. */
type ReadAt = (octets: Buffer, place: number) => Promise<number>;

export class AccountFile {
  /** For messages. */
  readonly name: string;
  readonly octets: number;
  readonly #readAt: ReadAt;
  readonly #close: () => Promise<void>;

  private constructor(name: string, octets: number, readAt: ReadAt, close: () => Promise<void> = async () => {}) {
    this.name = name;
    this.octets = octets;
    this.#readAt = readAt;
    this.#close = close;
  }

  /** @throws CommandError FAILED */
  static async open(path: string): Promise<AccountFile> {
    const name = path === '-' ? 'standard input' : path;
    try {
      if (path === '-') return AccountFile.#kept(name, await buffer(process.stdin));
      const handle = await open(path, 'r');
      const about = await handle.stat();
      if (about.isFile()) return new AccountFile(name, about.size, readerOf(handle), () => handle.close());
      const octets = await handle.readFile();
      await handle.close();
      return AccountFile.#kept(name, octets);
    } catch (error) {
      throw unreadable(path, error);
    }
  }

  static #kept(name: string, all: Buffer): AccountFile {
    return new AccountFile(name, all.length, async (octets, place) => all.copy(octets, 0, place));
  }

  /**
   * The text from its beginning.
   *
   * @throws CommandError FAILED if it cannot be read, or is no text
   */
  async *pieces(): AsyncGenerator<TextPiece> {
    try {
      let [decoder, octets, read]: [ReturnType<typeof decoderOf> | undefined, number, number] = [
        undefined,
        0,
        PIECE_OCTETS,
      ];
      while (read === PIECE_OCTETS) {
        const piece = Buffer.allocUnsafe(PIECE_OCTETS);
        read = await this.#readAt(piece, octets);
        octets += read;
        decoder ??= decoderOf(piece.subarray(0, read));
        const last = read < PIECE_OCTETS;
        yield { text: decoded(decoder, piece.subarray(0, read), !last), octets, last };
      }
    } catch (error) {
      throw unreadable(this.name, error);
    }
  }

  close(): Promise<void> {
    return this.#close();
  }
}

function readerOf(handle: FileHandle): ReadAt {
  return async (octets, place) => {
    let read = 0;
    while (read < octets.length) {
      const { bytesRead } = await handle.read(octets, read, octets.length - read, place + read);
      if (bytesRead === 0) break;
      read += bytesRead;
    }
    return read;
  };
}

function unreadable(name: string, error: unknown): CommandError {
  return new CommandError(EXIT.FAILED, `${name}: ${describeFileError(error)}`);
}
