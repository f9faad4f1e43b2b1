/**
 * Scanner on the hot path of the relay: reads the simple form of a Data payload in one pass over its octets, about ten
 * times as fast as the parsers. Any other form, valid or not, is left to them (`undefined`).
 *
 * It must never accept what the parsers refuse, nor give another result; `spec/imxp/scan.spec.ts` compares the two on
 * documents and mutations of them. When in doubt, it gives up.
 */
import type { Payload } from '../../mime/payload.js';
import type { Data, InlineElement, Option, Recipient, TargetHop } from '../operation.js';
import { TRANS_ID_MAX } from '../trans-id.js';
import { Attributes } from './attributes.js';
import type { DialectLimits } from './dialect.js';
import { Envelope } from './envelope.js';
import { Markup } from './markup.js';
import { CLASSES, equalRanges, matchesAt, NAME } from './octets.js';
import { DEFAULT_LOCALIZE, NO_OCTETS, NO_OPTIONS, type OptionSyntax } from './option.js';

const HASH = 0x23;

const DATA = Buffer.from('<data');
const DATA_END = Buffer.from('</data');
const SENDER = Buffer.from('<originator');
const SENDER_END = Buffer.from('</originator');
const RECIPIENT = Buffer.from('<recipient');
const RECIPIENT_END = Buffer.from('</recipient');
const OPTION = Buffer.from('<option');
const OPTION_END = Buffer.from('</option');
const CONTENT = Buffer.from('<data-content');
const CONTENT_END = Buffer.from('</data-content');
const CID = Buffer.from('cid:');

const ORIGINATOR = Buffer.from('originator');
const REFERENCE = Buffer.from('content');
const IDENTITY = Buffer.from('identity');
const NAME_ATTRIBUTE = Buffer.from('Name');
const INTERNAL = Buffer.from('internal');
const TARGET_HOP = Buffer.from('targetHop');
const TRANS_ID = Buffer.from('transID');

const HOPS: readonly (readonly [Buffer, TargetHop])[] = [
  [Buffer.from('final'), 'final'],
  [Buffer.from('this'), 'this'],
  [Buffer.from('all'), 'all'],
];
const TRUE = Buffer.from('true');
const FALSE = Buffer.from('false');

const IN_DATA = 2;
const IN_RECIPIENT = 3;

/** Differences between the dialects. */
export interface ScanSyntax {
  readonly profile: string;
  /** The media type of control documents. */
  readonly controlType: string;
  readonly option: OptionSyntax;
  /** Set if the originator is an element, as are its options, and names have a notation of their own. */
  readonly names?: {
    one(text: string): string;
    named(recipient: Recipient): Recipient;
  };
}

export class DataScanner {
  readonly #profile: string;
  readonly #names: ScanSyntax['names'];
  readonly #flag: Buffer;
  readonly #inverse: boolean;
  readonly #controlOctets: number;
  /** An option of a recipient must fit into the depth limit; below that, the parser reports which element does not. */
  readonly #enabled: boolean;
  readonly #mostRecipients: number;
  readonly #envelope: Envelope;
  readonly #markup: Markup;
  readonly #attributes: Attributes;
  #octets: Buffer = NO_OCTETS;
  /** The payload that the octets are the beginning of, or all of. */
  #payload: Payload = NO_OCTETS;
  /** Position after the piece read last. */
  #at = 0;
  /** Whether an element had content of a foreign vocabulary. */
  #foreign = false;

  constructor({ profile, controlType, option, names }: ScanSyntax, limits: DialectLimits) {
    this.#profile = profile;
    this.#names = names;
    this.#flag = Buffer.from(option.attribute);
    this.#inverse = option.inverse;
    this.#envelope = new Envelope(controlType);
    this.#controlOctets = limits.octets;
    this.#enabled = limits.depth >= IN_RECIPIENT;
    this.#mostRecipients = limits.recipients;
    this.#markup = new Markup(limits);
    this.#attributes = new Attributes(this.#markup);
  }

  /**
   * Returns the Data operation, or undefined if the payload has to be parsed.
   *
   * @param octets the payload; if that is in pieces, the beginning of it
   */
  scan(octets: Buffer, payload: Payload = octets): Data | undefined {
    const start = this.#enabled ? this.#envelope.open(octets, payload) : -1;
    if (start < 0 || !matchesAt(octets, start, DATA)) {
      return undefined;
    }
    this.#octets = octets;
    this.#payload = payload;
    this.#markup.begin(octets);
    this.#foreign = false;
    const data = this.#names === undefined ? this.#data(start) : this.#dataWithSender(start, this.#names);
    // The scanner keeps no received octets in memory.
    this.#octets = NO_OCTETS;
    this.#payload = NO_OCTETS;
    this.#markup.begin(NO_OCTETS);
    this.#envelope.close();
    return data;
  }

  #data(start: number): Data | undefined {
    const markup = this.#markup;
    this.#at = markup.tag(start + DATA.length, true);
    if (this.#at < 0 || markup.empty || markup.count !== 2) {
      return undefined;
    }
    const first = this.#attributes.isNamed(0, ORIGINATOR) ? 0 : 1;
    if (!this.#attributes.isNamed(first, ORIGINATOR) || !this.#attributes.isNamed(1 - first, REFERENCE)) {
      return undefined;
    }
    const originator = this.#attributes.value(first);
    const referenceStart = markup.valueStart[1 - first] ?? 0;
    const referenceEnd = markup.valueEnd[1 - first] ?? 0;
    const content = this.#attributes.value(1 - first);
    const recipients = this.#recipients();
    const options = recipients === undefined ? undefined : this.#options(IN_DATA);
    if (recipients === undefined || options === undefined) {
      return undefined;
    }
    const dataContent = this.#inline(referenceStart, referenceEnd);
    if (dataContent === null) {
      return undefined;
    }
    const end = this.#end(start);
    if (end < 0 || (dataContent === undefined && !this.#refersToPart(referenceStart, referenceEnd))) {
      return undefined;
    }
    const source = { profile: this.#profile, payload: this.#payload, controlStart: start, controlEnd: end };
    return { type: 'data', originator, content, recipients, options, dataContent, source };
  }

  /** Reads a Data element whose originator is an element. */
  #dataWithSender(start: number, names: NonNullable<ScanSyntax['names']>): Data | undefined {
    const markup = this.#markup;
    this.#at = markup.tag(start + DATA.length, true);
    if (this.#at < 0 || markup.empty || markup.count !== 1 || !this.#attributes.isNamed(0, REFERENCE)) {
      return undefined;
    }
    const referenceStart = markup.valueStart[0] ?? 0;
    const referenceEnd = markup.valueEnd[0] ?? 0;
    const content = this.#attributes.value(0);
    this.#at = markup.space(this.#at);
    const sender = matchesAt(this.#octets, this.#at, SENDER) ? this.#named(SENDER, SENDER_END) : undefined;
    const recipients = sender === undefined ? undefined : this.#recipients();
    const options = recipients === undefined ? undefined : this.#options(IN_DATA);
    const dataContent = options === undefined ? null : this.#inline(referenceStart, referenceEnd);
    const end = dataContent === null ? -1 : this.#end(start);
    if (end < 0 || sender === undefined || recipients === undefined || options === undefined || dataContent === null) {
      return undefined;
    }
    if (dataContent === undefined && !this.#refersToPart(referenceStart, referenceEnd)) {
      return undefined;
    }
    const source = { profile: this.#profile, payload: this.#payload, controlStart: start, controlEnd: end };
    const originator = names.one(sender.identity);
    const data = { type: 'data', originator, content, recipients: recipients.map(names.named), options } as const;
    return sender.options.length === 0
      ? { ...data, dataContent, source }
      : { ...data, dataContent, source, originatorOptions: sender.options };
  }

  /**
   * Reads the end tag and what follows it.
   *
   * @returns the end of the control document, or -1
   */
  #end(start: number): number {
    const octets = this.#octets;
    if (!matchesAt(octets, this.#at, DATA_END)) {
      return -1;
    }
    const after = this.#markup.close(this.#at + DATA_END.length);
    // In a multipart, foreign content could contain what looks like a delimiter.
    if (after < 0 || (this.#envelope.multipart && this.#foreign)) {
      return -1;
    }
    const end = this.#envelope.rest(this.#markup.space(after));
    return end < after || end - start > this.#controlOctets ? -1 : end;
  }

  #recipients(): Recipient[] | undefined {
    const octets = this.#octets;
    const recipients: Recipient[] = [];
    this.#at = this.#markup.space(this.#at);
    while (matchesAt(octets, this.#at, RECIPIENT)) {
      const recipient = recipients.length < this.#mostRecipients ? this.#named(RECIPIENT, RECIPIENT_END) : undefined;
      if (recipient === undefined) {
        return undefined;
      }
      recipients.push(recipient);
      this.#at = this.#markup.space(this.#at);
    }
    return recipients.length === 0 ? undefined : recipients;
  }

  /** Reads an element with an identity, and the options in it. */
  #named(tag: Buffer, endTag: Buffer): Recipient | undefined {
    const markup = this.#markup;
    this.#at = markup.tag(this.#at + tag.length, true);
    if (this.#at < 0 || markup.count !== 1 || !this.#attributes.isNamed(0, IDENTITY)) {
      return undefined;
    }
    const identity = this.#attributes.value(0);
    if (markup.empty) {
      return { identity, options: NO_OPTIONS };
    }
    const options = this.#options(IN_RECIPIENT);
    if (options === undefined || !this.#closes(endTag)) {
      return undefined;
    }
    return { identity, options };
  }

  #closes(tag: Buffer): boolean {
    if (!matchesAt(this.#octets, this.#at, tag)) {
      return false;
    }
    this.#at = this.#markup.close(this.#at + tag.length);
    return this.#at >= 0;
  }

  /** Reads options and the white space around them. */
  #options(depth: number): readonly Option[] | undefined {
    let options: Option[] | undefined;
    this.#at = this.#markup.space(this.#at);
    while (matchesAt(this.#octets, this.#at, OPTION)) {
      const option = this.#option(depth);
      if (option === undefined) {
        return undefined;
      }
      if (options === undefined) {
        options = [option];
      } else {
        options.push(option);
      }
      this.#at = this.#markup.space(this.#at);
    }
    return options ?? NO_OPTIONS;
  }

  /** @param depth of the option */
  #option(depth: number): Option | undefined {
    const markup = this.#markup;
    this.#at = markup.tag(this.#at + OPTION.length, true);
    if (this.#at < 0) {
      return undefined;
    }
    let internal = '';
    let targetHop: TargetHop | undefined = 'final';
    let seeNoEvil: boolean | undefined = true;
    let transID = 0;
    for (let index = 0; index < markup.count; index += 1) {
      if (this.#attributes.isNamed(index, INTERNAL)) {
        internal = this.#attributes.nameToken(index);
      } else if (this.#attributes.isNamed(index, TRANS_ID)) {
        transID = this.#attributes.number(index);
      } else if (this.#attributes.isNamed(index, TARGET_HOP)) {
        targetHop = this.#hop(index);
      } else if (this.#attributes.isNamed(index, this.#flag)) {
        seeNoEvil = this.#attributes.isValue(index, TRUE)
          ? !this.#inverse
          : this.#attributes.isValue(index, FALSE)
            ? this.#inverse
            : undefined;
      } else {
        return undefined;
      }
    }
    if (
      internal === '' ||
      transID < 1 ||
      transID > TRANS_ID_MAX ||
      targetHop === undefined ||
      seeNoEvil === undefined
    ) {
      return undefined;
    }
    const inner = markup.empty ? NO_OCTETS : this.#inner(depth, OPTION_END);
    if (inner === undefined) {
      return undefined;
    }
    return { internal, external: undefined, targetHop, seeNoEvil, transID, localize: DEFAULT_LOCALIZE, inner };
  }

  /** Reads foreign content up to and including the end tag of its element. */
  #inner(depth: number, endTag: Buffer): Buffer | undefined {
    const start = this.#at;
    const end = this.#markup.content(start, depth);
    if (end < 0) {
      return undefined;
    }
    this.#at = end;
    if (!this.#closes(endTag)) {
      return undefined;
    }
    this.#foreign = true;
    return start === end ? NO_OCTETS : this.#octets.subarray(start, end);
  }

  /** Reads data-content: undefined if there is none, null if it or the reference to it is not in simple form. */
  #inline(referenceStart: number, referenceEnd: number): InlineElement | undefined | null {
    const octets = this.#octets;
    const markup = this.#markup;
    if (!matchesAt(octets, this.#at, CONTENT)) {
      return undefined;
    }
    this.#at = markup.tag(this.#at + CONTENT.length, true);
    if (this.#at < 0 || markup.count !== 1 || !this.#attributes.isNamed(0, NAME_ATTRIBUTE)) {
      return null;
    }
    const start = markup.valueStart[0] ?? 0;
    const length = (markup.valueEnd[0] ?? 0) - start;
    const referred =
      octets[referenceStart] === HASH &&
      referenceEnd - referenceStart - 1 === length &&
      equalRanges(octets, referenceStart + 1, start, length);
    if (!referred || !this.#attributes.isName(0)) {
      return null;
    }
    const name = this.#attributes.value(0);
    const inner = markup.empty ? NO_OCTETS : this.#inner(IN_DATA, CONTENT_END);
    if (inner === undefined) {
      return null;
    }
    this.#at = markup.space(this.#at);
    return { name, inner };
  }

  /** Whether the reference is a `cid:` URL without escapes that names the content part. */
  #refersToPart(start: number, end: number): boolean {
    const octets = this.#octets;
    const { multipart, idStart, idEnd } = this.#envelope;
    const from = start + CID.length;
    if (!multipart || !matchesAt(octets, start, CID) || end - from !== idEnd - idStart) {
      return false;
    }
    return equalRanges(octets, from, idStart, end - from) && isUric(octets, from, end);
  }

  #hop(index: number): TargetHop | undefined {
    for (const [octets, hop] of HOPS) {
      if (this.#attributes.isValue(index, octets)) {
        return hop;
      }
    }
    return undefined;
  }
}

/** Letters, digits and `@ . - _ + =`, of which Content-IDs consist; others may not be legal in a URI. */
function isUric(octets: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at += 1) {
    const octet = octets[at] ?? 0;
    const named = ((CLASSES[octet] ?? 0) & NAME) !== 0 && octet !== 0x3a;
    if (!named && octet !== 0x40 && octet !== 0x2b && octet !== 0x3d) {
      return false;
    }
  }
  return end > start;
}
