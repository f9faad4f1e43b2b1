/**
 * As much of Node's Buffer as the endpoint library uses, over a Uint8Array. `spec/web/buffer.spec.ts` compares the two.
 */
type Encoding = string;

const utf8 = new TextEncoder();
// As Node reads: what is no UTF-8 is replaced, a byte order mark stays.
const readUtf8 = new TextDecoder('utf-8', { ignoreBOM: true });
const strictUtf8 = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });
/** Characters made at one time: String.fromCharCode takes its octets as arguments. */
const PORTION = 8192;

export class Octets extends Uint8Array {
  override toString(encoding: Encoding = 'utf8', start = 0, end = this.length): string {
    const part = start === 0 && end >= this.length ? this : this.subarray(start, end);
    switch (encoding) {
      case 'latin1':
      case 'binary':
      case 'ascii':
        return latin1Of(part, encoding === 'ascii' ? 0x7f : 0xff);
      case 'hex':
        return Array.from(part, (octet) => octet.toString(16).padStart(2, '0')).join('');
      case 'base64':
        return btoa(latin1Of(part, 0xff));
      default:
        return readUtf8.decode(part);
    }
  }

  override indexOf(wanted: number | string | Uint8Array, from = 0, encoding?: Encoding): number {
    if (typeof wanted === 'number') return super.indexOf(wanted, from);
    const octets = typeof wanted === 'string' ? octetsOf(wanted, encoding) : wanted;
    const [first] = octets;
    if (first === undefined) throw new RangeError('nothing to look for');
    for (let at = super.indexOf(first, from); at >= 0; at = super.indexOf(first, at + 1)) {
      if (this.#matches(octets, at)) return at;
    }
    return -1;
  }

  override lastIndexOf(wanted: number | string | Uint8Array, given = this.length, encoding?: Encoding): number {
    const from = given < 0 ? this.length + given : given;
    const octets =
      typeof wanted === 'number' ? Octets.of(wanted) : typeof wanted === 'string' ? octetsOf(wanted, encoding) : wanted;
    for (let at = Math.min(from, this.length - octets.length); at >= 0; at -= 1)
      if (this.#matches(octets, at)) return at;
    return -1;
  }

  override includes(wanted: number | string | Uint8Array, from = 0, encoding?: Encoding): boolean {
    return this.indexOf(wanted, from, encoding) >= 0;
  }

  equals(other: Uint8Array): boolean {
    return other.length === this.length && this.#matches(other, 0);
  }

  compare(target: Uint8Array, targetStart = 0, targetEnd = target.length, start = 0, end = this.length): number {
    const [own, other] = [this.subarray(start, end), target.subarray(targetStart, targetEnd)];
    const length = Math.min(own.length, other.length);
    for (let at = 0; at < length; at += 1) {
      const difference = (own[at] ?? 0) - (other[at] ?? 0);
      if (difference !== 0) return Math.sign(difference);
    }
    return Math.sign(own.length - other.length);
  }

  copy(target: Uint8Array, at = 0, start = 0, end = this.length): number {
    const part = this.subarray(start, Math.min(end, start + target.length - at));
    target.set(part, at);
    return part.length;
  }

  write(text: string, at = 0, ...rest: readonly (number | string)[]): number {
    const encoding = rest.find((one): one is string => typeof one === 'string');
    const octets = octetsOf(text, encoding).subarray(0, this.length - at);
    this.set(octets, at);
    return octets.length;
  }

  override fill(value: number | string, start?: number, end?: number): this {
    if (typeof value === 'number') return super.fill(value, start, end);
    const octets = octetsOf(value);
    for (let at = start ?? 0; at < (end ?? this.length); at += 1) this[at] = octets[at % octets.length] ?? 0;
    return this;
  }

  readUInt16BE(at = 0): number {
    return this.#view.getUint16(at);
  }

  readUInt32BE(at = 0): number {
    return this.#view.getUint32(at);
  }

  readInt32BE(at = 0): number {
    return this.#view.getInt32(at);
  }

  writeUInt16BE(value: number, at = 0): number {
    this.#view.setUint16(at, value);
    return at + 2;
  }

  writeUInt32BE(value: number, at = 0): number {
    this.#view.setUint32(at, value);
    return at + 4;
  }

  get #view(): DataView {
    return new DataView(this.buffer, this.byteOffset, this.byteLength);
  }

  #matches(octets: Uint8Array, at: number): boolean {
    if (at + octets.length > this.length) return false;
    for (let index = 0; index < octets.length; index += 1) if (this[at + index] !== octets[index]) return false;
    return true;
  }
}

function latin1Of(octets: Uint8Array, mask: number): string {
  let text = '';
  for (let at = 0; at < octets.length; at += PORTION) {
    text += String.fromCharCode(...octets.subarray(at, at + PORTION).map((octet) => octet & mask));
  }
  return text;
}

function octetsOf(text: string, encoding: Encoding = 'utf8'): Octets {
  switch (encoding) {
    case 'latin1':
    case 'binary':
    case 'ascii':
      return unitsOf(text);
    case 'hex':
      return Octets.from(text.match(/[0-9a-f]{2}/gi) ?? [], (pair) => Number.parseInt(pair, 16)) as Octets;
    case 'base64':
      return octetsOf(atob(text.replace(/[^A-Za-z0-9+/]/g, '').replace(/^((?:.{4})*).$/, '$1')), 'latin1');
    default: {
      const { buffer, byteOffset, byteLength } = utf8.encode(text);
      return new Octets(buffer, byteOffset, byteLength);
    }
  }
}

/** The lower octet of each unit of UTF-16. */
function unitsOf(text: string): Octets {
  const octets = new Octets(text.length);
  for (let at = 0; at < text.length; at += 1) octets[at] = text.charCodeAt(at);
  return octets;
}

type Source = string | ArrayLike<number> | ArrayBufferLike;

function from(source: Source, second?: number | string, length?: number): Octets {
  if (typeof source === 'string') return octetsOf(source, typeof second === 'string' ? second : 'utf8');
  if (source instanceof ArrayBuffer) return new Octets(source, typeof second === 'number' ? second : 0, length);
  return new Octets(source as ArrayLike<number>);
}

function alloc(length: number, fill: number | string = 0): Octets {
  const octets = new Octets(length);
  return fill === 0 ? octets : octets.fill(fill);
}

function concat(list: readonly Uint8Array[], total = list.reduce((sum, { length }) => sum + length, 0)): Octets {
  const whole = new Octets(total);
  let at = 0;
  for (const one of list) {
    const part = one.subarray(0, Math.max(0, total - at));
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export const Buffer = {
  from,
  alloc,
  allocUnsafe: (length: number): Octets => new Octets(length),
  allocUnsafeSlow: (length: number): Octets => new Octets(length),
  concat,
  isBuffer: (value: unknown): value is Octets => value instanceof Octets,
  byteLength: (value: string | Uint8Array, encoding?: Encoding): number =>
    typeof value === 'string' ? octetsOf(value, encoding).length : value.byteLength,
  compare: (one: Octets, other: Octets): number => one.compare(other),
};

export function isUtf8(octets: Uint8Array): boolean {
  try {
    strictUtf8.decode(octets);
    return true;
  } catch {
    return false;
  }
}
