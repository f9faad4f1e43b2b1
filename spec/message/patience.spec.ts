import { expect } from 'chai';
import { parseAddressList } from '../../lib/message/address-list.js';
import { parseCpim } from '../../lib/message/cpim/document.js';
import { flow, unflow } from '../../lib/message/flowed.js';
import { readMessage } from '../../lib/message/read.js';
import { parseMailAddresses } from '../../lib/message/rfc822/address.js';
import { decodeWords, encodeWords } from '../../lib/message/rfc822/encoded-word.js';
import { parseInstantUri } from '../../lib/message/uri.js';
import { decodeTransfer } from '../../lib/mime/transfer.js';
import { document } from './support.js';

const LONG = 100_000;
const SPACES = ' '.repeat(LONG);
/** Those that grow with the square of the length took ten seconds and more. */
const LIMIT_MS = 5000;
/** Of a URI that need not be one. */
const uri = (text: string): unknown => {
  try {
    return parseInstantUri(text);
  } catch (error) {
    return error;
  }
};

const work: readonly [string, () => unknown][] = [
  ['spaces in a flowed text', () => unflow(`${SPACES}x`)],
  ['spaces in a text to be flowed', () => flow(`${SPACES}x${SPACES}`)],
  ['short flowed lines', () => unflow('a \n'.repeat(LONG))],
  ['spaces in a subject', () => readMessage(Buffer.from(document(`<subject>a${SPACES}b</subject>`))).subject],
  ['spaces in quoted-printable', () => decodeTransfer('quoted-printable', Buffer.from(`${SPACES}x`))],
  ['words in an address field', () => parseAddressList(`${'a '.repeat(LONG)}<im:a@x>`)],
  ['addresses', () => parseAddressList('im:a@x,'.repeat(LONG))],
  ['addresses of mail', () => parseMailAddresses('(b) a@x,'.repeat(LONG / 10), 'mailto')],
  ['encoded words', () => decodeWords(encodeWords('ä'.repeat(LONG)).join(SPACES.slice(0, 10)))],
  ['beginnings of encoded words', () => decodeWords('=?a?Q?'.repeat(LONG))],
  ['angle brackets in a URI', () => uri(`im:${'%3C'.repeat(LONG)}`)],
  ['spaces in a URI', () => uri(`im:a${'%20'.repeat(LONG)}b@x`)],
  ['quotes in a URI', () => uri(`im:%22${'%5C%22'.repeat(LONG)}`)],
  ['headers with angle brackets in a URI', () => uri(`im:?to=${'%3C'.repeat(LONG)}`)],
  [
    'headers of message/cpim',
    () => parseCpim(Buffer.from(`${'a: b\r\n'.repeat(LONG)}\r\nContent-Type: text/plain\r\n\r\n`)).to,
  ],
];

describe('long messages', () => {
  for (const [what, act] of work) {
    it(`with many ${what} are read in time proportional to their length`, () => {
      // Of the processor, because others may use it as well.
      const begin = process.cpuUsage();
      act();
      const { user, system } = process.cpuUsage(begin);
      expect((user + system) / 1000).to.be.below(LIMIT_MS);
    });
  }
});
