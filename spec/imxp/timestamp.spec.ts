import { expect } from 'chai';
import fc from 'fast-check';
import { formatTimestamp, LATEST_MS, parseTimestamp, timestampIn } from '../../lib/imxp/vocabulary/timestamp.js';

const MORNING = Date.UTC(2000, 9, 21, 7, 5, 0);

describe('imxp/timestamp', () => {
  it('reads the form of RFC 822 with a year of four digits and a numeric zone', () => {
    expect(parseTimestamp('21 Oct 2000 09:05:00 +0200')).to.equal(MORNING);
    expect(parseTimestamp('Sat, 21 Oct 2000 09:05:00 +0200')).to.equal(MORNING);
    expect(parseTimestamp('21 Oct 2000 07:05 GMT')).to.equal(MORNING);
    expect(parseTimestamp('1 Jan 2030 00:00:00 +0000')).to.equal(Date.UTC(2030, 0, 1));
    expect(parseTimestamp('21 oct 2000 02:35:00 -0430')).to.equal(MORNING);
  });

  it('reads RFC 3339, and drops fractions of a second', () => {
    expect(parseTimestamp('2000-10-21T09:05:00+02:00')).to.equal(MORNING);
    expect(parseTimestamp('2000-10-21t07:05:00.999z')).to.equal(MORNING);
    expect(parseTimestamp('2000-10-21T07:05:00-00:00')).to.equal(MORNING);
  });

  it('RFC 3339 §5.7 reads leap seconds at the end of a month of UTC, in any zone, and 29 February in leap years', () => {
    expect(parseTimestamp('2016-12-31T23:59:60Z')).to.equal(Date.UTC(2017, 0, 1));
    expect(parseTimestamp('2017-01-01T00:59:60+01:00')).to.equal(Date.UTC(2017, 0, 1));
    expect(parseTimestamp('30 Jun 2015 19:59:60 -0400')).to.equal(Date.UTC(2015, 6, 1));
    expect(parseTimestamp('2016-12-31T22:59:60Z')).to.equal(undefined);
    expect(parseTimestamp('2016-12-30T23:59:60Z')).to.equal(undefined);
    expect(parseTimestamp('2016-12-31T23:59:61Z')).to.equal(undefined);
    expect(parseTimestamp('2000-02-29T00:00:00Z')).to.equal(Date.UTC(2000, 1, 29));
    expect(parseTimestamp('2024-02-29T00:00:00Z')).to.equal(Date.UTC(2024, 1, 29));
    for (const year of ['1900', '2100', '2023']) expect(parseTimestamp(`${year}-02-29T00:00:00Z`)).to.equal(undefined);
  });

  it('REQ-ACC-018 writes RFC 3339 with the offset -00:00, and reads it back', () => {
    expect(formatTimestamp(MORNING + 999, 'apex')).to.equal('2000-10-21T07:05:00-00:00');
    expect(formatTimestamp(LATEST_MS + 3_600_000, 'apex')).to.equal('9999-12-31T23:59:59-00:00');
    fc.assert(
      fc.property(fc.integer({ min: 0, max: LATEST_MS / 1000 }), (second) => {
        expect(parseTimestamp(formatTimestamp(second * 1000, 'apex'))).to.equal(second * 1000);
      }),
    );
  });

  it('converts a time to the other form, and leaves one in that form unchanged', () => {
    expect(timestampIn('21 Oct 2000 09:05:00 +0200', 'apex')).to.equal('2000-10-21T07:05:00-00:00');
    expect(timestampIn('2000-10-21T09:05:00+02:00', 'apex')).to.equal('2000-10-21T09:05:00+02:00');
    expect(timestampIn('2000-10-21T09:05:00+02:00', 'imxp')).to.equal('21 Oct 2000 07:05:00 +0000');
    expect(timestampIn('21 Oct 2000 09:05:00 +0200', 'imxp')).to.equal('21 Oct 2000 09:05:00 +0200');
    expect(timestampIn('soon', 'apex')).to.equal('soon');
  });

  for (const wrong of [
    '',
    'tomorrow',
    '21 Oct 00 09:05:00 +0200',
    '31 Feb 2000 09:05:00 +0200',
    '0 Oct 2000 09:05:00 +0200',
    '21 Oct 2000 24:05:00 +0200',
    '21 Oct 2000 09:60:00 +0200',
    '21 Oct 2000 09:05:00 +0260',
    '21 Oct 2000 09:05:00',
    '21 Oct 2000 09:05:00 CEST',
    ' 21 Oct 2000 09:05:00 +0200',
    '2000-10-21 ',
    '2000-13-21T07:05:00Z',
    '2000-10-21T07:05:00',
    '972111900',
  ]) {
    it(`refuses ${JSON.stringify(wrong)}`, () => expect(parseTimestamp(wrong)).to.equal(undefined));
  }

  it('writes UTC, which does not tell where this machine is', () => {
    expect(formatTimestamp(MORNING + 999)).to.equal('21 Oct 2000 07:05:00 +0000');
    expect(formatTimestamp(LATEST_MS)).to.equal('31 Dec 9999 23:59:59 +0000');
  });

  it('reads what it writes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: LATEST_MS / 1000 }), (second) => {
        expect(parseTimestamp(formatTimestamp(second * 1000))).to.equal(second * 1000);
      }),
    );
  });
});
