import { expect } from 'chai';
import { follows } from '../../lib/node/follows.js';
import { AttachmentTable } from '../../lib/relay/attachments.js';
import { ChannelTarget } from '../../lib/relay/channel-target.js';
import { FakeChannel } from '../support/fake-channel.js';
import { dialect } from '../support/scripted-relay.js';

describe('relay/attachments', () => {
  it('tells the watcher once of each attachment and once of its end', () => {
    const attachments = new AttachmentTable();
    const heard: string[] = [];
    attachments.watcher = { attached: (key) => heard.push(`+${key}`), detached: (key) => heard.push(`-${key}`) };
    const target = new ChannelTarget(new FakeChannel(), dialect, { outstanding: 1, outstandingOctets: 1 });
    const owner = { overridden: () => {} };
    const fred = {
      type: 'attach',
      key: 'fred@example.com',
      transID: 1,
      application: target,
      target,
      owner,
      wishes: {},
    } as const;
    const again = { ...fred, transID: 2 };
    expect([attachments.add(fred), attachments.add(again)]).to.deep.equal([true, false]);
    attachments.remove(again);
    attachments.remove(fred);
    attachments.remove(fred);
    expect(heard).to.deep.equal(['+fred@example.com', '-fred@example.com']);
  });
});

describe('node/follows', () => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ['fred@example.com', 'fred@example.com', true],
    ['fred@example.com', '*@example.com', true],
    ['fred@example.com', 'fred@*', true],
    ['fred@example.com', '*@*', true],
    ['fred@example.com', '*@rubble.com', false],
    ['fred@example.com', 'wilma@example.com', false],
    ['fred/appl=wb@example.com', '*@*', false],
    ['imxp=chat@example.com', '*@*', false],
  ];
  for (const [address, pattern, expected] of cases) {
    it(`${address} ${expected ? 'is' : 'is not'} meant by ${pattern}`, () => {
      expect(follows(address, pattern)).to.equal(expected);
    });
  }
});
