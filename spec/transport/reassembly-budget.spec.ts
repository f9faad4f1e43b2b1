import { expect } from 'chai';
import type { ImxpError } from '../../lib/errors.js';
import type { PeerIdentity } from '../../lib/sasl/identity.js';
import { ReassemblyBudget, type ReassemblyShare } from '../../lib/transport/reassembly-budget.js';

class Session implements ReassemblyShare {
  readonly identity: PeerIdentity | undefined;
  readonly remote: { readonly address: string };
  ended: ImxpError | undefined;

  constructor(who: string | undefined, address = '192.0.2.1') {
    this.identity = who === undefined ? undefined : { name: who, mechanism: 'PLAIN', privacy: true };
    this.remote = { address };
  }

  destroy(error: ImxpError): void {
    this.ended = error;
  }
}

describe('transport/reassembly-budget', () => {
  it('lets everybody be while all together hold no more than the limit', () => {
    const unfinished = new ReassemblyBudget(100);
    const [one, other] = [new Session('fred@example.com'), new Session('barney@example.com')];
    unfinished.change(one, 60);
    unfinished.change(other, 40);
    unfinished.change(one, 0);
    unfinished.change(other, 100);
    unfinished.forget(other);
    expect(unfinished.octets).to.equal(0);
    expect([one.ended, other.ended]).to.deep.equal([undefined, undefined]);
  });

  it('ends the largest session of the account that holds most in all its sessions, not the largest of all', () => {
    const unfinished = new ReassemblyBudget(100);
    const honest = new Session('fred@example.com');
    const many = Array.from({ length: 5 }, () => new Session('barney@example.com'));
    unfinished.change(honest, 30);
    for (const [index, session] of many.entries()) unfinished.change(session, 14 + index);
    expect(honest.ended).to.equal(undefined);
    expect(many.map(({ ended }) => ended?.code)).to.deep.equal([undefined, undefined, undefined, undefined, 'BUSY']);
    expect(unfinished.octets).to.equal(30 + 14 + 15 + 16 + 17);
  });

  it('counts strangers by their address, and ends the one that grows where it has most', () => {
    const unfinished = new ReassemblyBudget(100);
    const honest = new Session('fred@example.com');
    const strangers = [new Session(undefined), new Session(undefined), new Session(undefined, '198.51.100.7')];
    unfinished.change(honest, 45);
    for (const session of strangers) unfinished.change(session, 18);
    unfinished.change(honest, 46);
    unfinished.change(strangers[1] as Session, 30);
    expect(strangers.map(({ ended }) => ended?.code)).to.deep.equal([undefined, 'BUSY', undefined]);
    expect(honest.ended).to.equal(undefined);
  });
});
