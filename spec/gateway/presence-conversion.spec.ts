import { expect } from 'chai';
import fc from 'fast-check';
import { fromCpimPresence, toCpimPresence } from '../../lib/gateway/presence-conversion.js';
import type { Presence } from '../../lib/imxp/vocabulary/presence.js';
import { formatTimestamp, LATEST_MS } from '../../lib/imxp/vocabulary/timestamp.js';
import type { CpimPresence } from '../../lib/message/pidf.js';

const NOW = Date.UTC(2000, 9, 21, 8, 12, 0);
const TARGET = 'pres:ines@harbour.example';

const presence: Presence = {
  publisher: 'ines@harbour.example',
  lastUpdate: NOW,
  publisherInfo: 'http://harbour.example/~ines/',
  tuples: [
    {
      destination: 'im:ines@harbour.example',
      availableUntil: formatTimestamp(NOW + 1000),
      tupleInfo: 'http://harbour.example/office',
      capabilities: [{ baseline: 'rfc2533', text: '(type=text/plain)' }],
    },
    {
      destination: 'mailto:ines@harbour.example',
      availableUntil: formatTimestamp(NOW),
      tupleInfo: '',
      capabilities: [],
    },
  ],
};

describe('the presence tables of CPIM', () => {
  it('REQ-IMPP-074 REQ-PRES-015 maps presence of IMXP to CPIM: open until availableUntil', () => {
    expect(toCpimPresence(presence, NOW)).to.deep.equal({
      entityInfo: 'http://harbour.example/~ines/',
      tuples: [
        { destination: 'im:ines@harbour.example', status: 'open', info: 'http://harbour.example/office' },
        { destination: 'mailto:ines@harbour.example', status: 'closed', info: '' },
      ],
    });
    expect(toCpimPresence(presence, NOW + 1000).tuples.map(({ status }) => status)).to.deep.equal(['closed', 'closed']);
  });

  it('REQ-PRES-015 maps presence of CPIM to IMXP: open until much later, closed as of now', () => {
    const cpim: CpimPresence = {
      entityInfo: 'not a URI',
      tuples: [
        { destination: 'im:ines@harbour.example', status: 'open', info: 'gone fishing' },
        { destination: 'no URI', status: 'open', info: '' },
        { destination: 'tel:+1', status: 'closed', info: 'http://x.example/' },
      ],
    };
    expect(fromCpimPresence(cpim, TARGET, NOW + 999)).to.deep.equal({
      publisher: 'ines@harbour.example',
      lastUpdate: NOW,
      publisherInfo: '',
      tuples: [
        {
          destination: 'im:ines@harbour.example',
          availableUntil: formatTimestamp(LATEST_MS),
          tupleInfo: '',
          capabilities: [],
        },
        {
          destination: 'tel:+1',
          availableUntil: formatTimestamp(NOW),
          tupleInfo: 'http://x.example/',
          capabilities: [],
        },
      ],
    });
    const nothing = fromCpimPresence({ entityInfo: '', tuples: [] }, TARGET, NOW);
    expect(nothing.tuples).to.deep.equal([
      { destination: 'im:ines@harbour.example', availableUntil: formatTimestamp(NOW), tupleInfo: '', capabilities: [] },
    ]);
  });

  it('D-CPIM-09 carries availability, text and priority as elements of other namespaces', () => {
    const tuple = { destination: 'im:ines@harbour.example', status: 'open' as const, info: '' };
    const said = { ...tuple, show: 'away' as const, note: 'at <sea> & fishing', priority: -5 };
    const { tuples } = fromCpimPresence({ entityInfo: '', tuples: [said] }, TARGET, NOW);
    expect(tuples[0]?.extension?.elements).to.deep.equal([
      "<show xmlns='jabber:client'>away</show>",
      "<note xmlns='urn:ietf:params:xml:ns:pidf'>at &lt;sea&gt; &amp; fishing</note>",
      "<priority xmlns='jabber:client'>-5</priority>",
    ]);
    const [first] = tuples;
    if (first === undefined) throw new Error('no tuple');
    expect(toCpimPresence({ ...presence, tuples }, NOW).tuples).to.deep.equal([said]);
    const elements = [
      "<x:show xmlns:x='jabber:client'>dnd</x:show>",
      "<show xmlns='urn:other'>away</show>",
      "<priority xmlns='jabber:client'>400</priority>",
      "<mood xmlns='urn:other'>good</mood>",
    ];
    const others = [{ ...first, extension: { attributes: [], elements } }];
    expect(toCpimPresence({ ...presence, tuples: others }, NOW).tuples).to.deep.equal([{ ...tuple, show: 'dnd' }]);
  });

  it('D-PRES-16 converts to IMXP and back whatever CPIM can express', () => {
    const uri = fc.stringMatching(/^[a-z]{2,5}:[a-z@.]{1,10}$/);
    const tuple = fc.record({
      destination: uri,
      status: fc.constantFrom('open' as const, 'closed' as const),
      info: fc.oneof(uri, fc.constant('')),
    });
    const any = fc.record({
      entityInfo: fc.oneof(uri, fc.constant('')),
      tuples: fc.array(tuple, { minLength: 1, maxLength: 4 }),
    });
    fc.assert(
      fc.property(any, fc.integer({ min: 0, max: NOW }), (cpim, now) => {
        expect(toCpimPresence(fromCpimPresence(cpim, TARGET, now), now)).to.deep.equal(cpim);
      }),
    );
  });
});
