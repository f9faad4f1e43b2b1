import { expect } from 'chai';
import { proofOption } from '../../../lib/imxp/subscriber-proof.js';
import {
  BARNEY,
  FRED,
  SERVICE,
  STAGE_LIMITS,
  Stage,
  subscribe,
  terminate,
  WILMA,
  watch,
} from '../../support/presence-stage.js';

describe('presence/proofs', () => {
  const signed = (stage: Stage, who: string, document: string, proof: string) =>
    stage.ask(who, document, SERVICE, [proofOption(proof)]);
  const told = (stage: Stage) =>
    stage.sent.splice(0).flatMap(({ to, document, proof }) => (document.startsWith('<notify') ? [[to, proof]] : []));

  it('REQ-IMPP-049 passes a proof on as it came, to present and later watchers, also after a restart', async () => {
    const stage = await new Stage().openService();
    await stage.ask(WILMA, watch(FRED, 1));
    await signed(stage, BARNEY, subscribe(FRED, 2), 'AAAA\nBBBB==');
    expect(stage.sent.filter(({ to }) => to === BARNEY).map(({ proof }) => proof)).to.deep.equal([undefined]);
    expect(told(stage)).to.deep.equal([[WILMA, 'AAAA\nBBBB==']]);
    await stage.ask(FRED, watch(FRED, 3));
    expect(told(stage)).to.deep.equal([[FRED, 'AAAA\nBBBB==']]);
    await stage.restart();
    await stage.ask(FRED, watch(FRED, 4));
    expect(told(stage)).to.deep.equal([[FRED, 'AAAA\nBBBB==']]);
    await signed(stage, BARNEY, subscribe(FRED, 5, 0), 'CCCC');
    await stage.ask(BARNEY, subscribe(FRED, 6));
    expect(told(stage)).to.have.deep.members([
      [WILMA, 'CCCC'],
      [FRED, 'CCCC'],
      [WILMA, undefined],
      [FRED, undefined],
    ]);
  });

  it('REQ-IMPP-049 refuses one that is too large or not in base64, and ends no other subscription for it', async () => {
    const stage = new Stage();
    stage.limits = { ...STAGE_LIMITS, proofOctets: 8 };
    await stage.openService();
    await signed(stage, BARNEY, subscribe(FRED, 1), 'AAAABBBB');
    await signed(stage, BARNEY, subscribe(FRED, 2), 'AAAABBBBC');
    await signed(stage, BARNEY, subscribe(FRED, 3), '<a />');
    expect(stage.brief()).to.deep.equal([`${BARNEY}: publish 1`, `${BARNEY}: reply 2 554`, `${BARNEY}: reply 3 501`]);
    expect(stage.service.status.subscriptions).to.equal(1);
  });

  it('REQ-IMPP-049 counts proofs for their subscriber, who may have what is free', async () => {
    const stage = new Stage();
    stage.limits = { ...STAGE_LIMITS, proofTotalOctets: 100 };
    await stage.openService();
    const [proof, mobile] = ['A'.repeat(40), BARNEY.replace('@', '/mobile@')];
    await signed(stage, BARNEY, subscribe(FRED, 1), proof);
    await signed(stage, mobile, subscribe(FRED, 2), proof);
    await signed(stage, WILMA, subscribe(FRED, 3), proof);
    expect(stage.brief()).to.deep.equal([`${BARNEY}: publish 1`, `${mobile}: reply 2 450`, `${WILMA}: publish 3`]);
    await stage.ask(WILMA, terminate(3));
    await stage.restart();
    stage.brief();
    await signed(stage, mobile, subscribe(FRED, 4), proof);
    await stage.ask(mobile, subscribe(FRED, 5));
    await stage.ask(BARNEY, terminate(1));
    await signed(stage, mobile, subscribe(WILMA, 6), proof);
    expect(stage.brief()).to.deep.equal([
      `${mobile}: reply 4 450`,
      `${mobile}: publish 5`,
      `${BARNEY}: reply 1 250`,
      `${mobile}: publish 6`,
    ]);
  });
});
