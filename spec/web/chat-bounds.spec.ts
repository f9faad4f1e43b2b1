import { expect } from 'chai';
import { excessOf, isRoomFor, strangersToDrop } from '../../web/chat/bounds.js';
import type { Contact, Entry } from '../../web/chat/types.js';

const MB = 1_000_000;

function contact(address: string, octets: number, at: number, added = false): Contact {
  return { address, added, unread: 0, kept: { messages: 1, octets }, last: { at, text: '', state: 'received' } };
}

function entry(size: number): Entry {
  const file = { name: 'a', type: 'image/png', size };
  return { id: '1', peer: 'x@example.com', at: 1, text: '', file, state: 'received' };
}

describe('web/chat/bounds', () => {
  it('gives strangers little room, and contacts much', () => {
    expect(excessOf({ messages: 200, octets: 10 * MB })).to.equal(false);
    expect(excessOf({ messages: 201, octets: 1 })).to.equal(true);
    expect(excessOf({ messages: 1, octets: 10 * MB + 1 })).to.equal(true);
    expect(isRoomFor(entry(9 * MB), undefined, [])).to.equal(true);
    expect(isRoomFor(entry(10 * MB), undefined, [])).to.equal(false);
    const friend = contact('barney@rubble.com', 480 * MB, 1, true);
    expect(isRoomFor(entry(19 * MB), friend, [friend])).to.equal(true);
    expect(isRoomFor(entry(21 * MB), friend, [friend])).to.equal(false);
    const many = Array.from({ length: 5 }, (_, index) => contact(`${index}@rubble.com`, 400 * MB, 1, true));
    expect(isRoomFor(entry(1), contact('new@rubble.com', 0, 1, true), many)).to.equal(false);
  });

  it('drops the strangers who wrote longest ago, and no contact', () => {
    const newest = contact('new@rubble.com', 8 * MB, 100);
    const friend = contact('barney@rubble.com', 400 * MB, 1, true);
    const strangers = [contact('b@x.com', 9 * MB, 2), contact('a@x.com', 9 * MB, 1), contact('c@x.com', 9 * MB, 3)];
    expect(strangersToDrop(newest, [friend, ...strangers])).to.deep.equal([]);
    const more = Array.from({ length: 3 }, (_, index) => contact(`m${index}@x.com`, 9 * MB, 10 + index));
    expect(strangersToDrop(newest, [friend, ...strangers, ...more])).to.deep.equal(['a@x.com', 'b@x.com']);
    const crowd = Array.from({ length: 52 }, (_, index) => contact(`c${index}@x.com`, 10, index));
    expect(strangersToDrop(newest, [friend, ...crowd])).to.deep.equal(['c0@x.com', 'c1@x.com', 'c2@x.com']);
  });
});
