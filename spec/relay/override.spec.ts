import { expect } from 'chai';
import { apexDialect } from '../../lib/imxp/dialect/apex.js';
import { imxpDialect } from '../../lib/imxp/dialect/imxp.js';
import { FakeChannel, settled } from '../support/fake-channel.js';
import { BARNEY, data, FRED, hold, override, Stage } from '../support/option-stage.js';

const terminations = ({ requests }: FakeChannel) =>
  requests.flatMap(({ operation }) => (operation.type === 'terminate' ? operation : []));

describe('relay: attachOverride', () => {
  it('REQ-IMXP-057 ends the existing attachment, and delivers to the new one from then on', () => {
    const stage = new Stage();
    const [fred, old] = [stage.attached(FRED), stage.attached(BARNEY)];
    const young = stage.attached(BARNEY, [override()]);
    expect(terminations(old).map(({ transID }) => transID)).to.deep.equal([1]);
    fred.send(data(FRED, [BARNEY]));
    expect([old.requests.length, young.requests.length]).to.deep.equal([1, 1]);
    // The answer to terminate, or none, has no effect.
    old.requests[0]?.fail('timeout');
    old.lose();
    fred.send(data(FRED, [BARNEY]));
    expect(young.requests).to.have.length(2);
  });

  it('D-OPT-04 REQ-IMXP-057 terminates with 556 in APEX, where terminate has a code', () => {
    const apex = apexDialect();
    const stage = new Stage({ relay: { dialects: [imxpDialect(), apex] } });
    const identity = { kind: 'endpoint', address: BARNEY, proof: { mechanism: 'PLAIN', privacy: true } } as const;
    const old = new FakeChannel(identity, { privacy: true, dialect: apex });
    old.handler = stage.relay.accept(old);
    expect(old.attach(BARNEY, 71)).to.equal(0);
    stage.attached(BARNEY, [override()]);
    expect(terminations(old)[0]).to.deep.include({ transID: 71, code: 556, text: 'overridden' });
  });

  it('refuses a second attachment without the option, and where it is switched off', () => {
    const stage = new Stage();
    stage.attached(BARNEY);
    expect(stage.endpoint(BARNEY).attach(BARNEY)).to.equal(554);
    const off = new Stage({ policy: { attachOverride: 'off' } });
    off.attached(BARNEY);
    expect(() => off.attached(BARNEY, [override()])).to.throw('554');
  });

  it('requires the same permission as any attach', () => {
    const stage = new Stage();
    const barney = stage.attached(BARNEY);
    const fred = stage.endpoint(FRED);
    expect(fred.ask({ type: 'attach', endpoint: BARNEY, transID: 1, options: [override()] })).to.equal(537);
    expect(terminations(barney)).to.deep.equal([]);
  });

  it('moves what is not yet written to the new attachment in order, and leaves the rest with the old one', () => {
    const stage = new Stage();
    const [fred, old] = [stage.attached(FRED), stage.attached(BARNEY)];
    const msgnos = [fred.send(data(FRED, [BARNEY]))];
    old.stuck = true;
    for (let count = 0; count < 3; count += 1) msgnos.push(fred.send(data(FRED, [BARNEY])));
    const young = stage.attached(BARNEY, [override()]);
    expect([old.waiting.length - terminations(old).length, young.waiting.length]).to.deep.equal([1, 3]);
    for (const request of young.waiting) request.ok();
    expect(msgnos.map((msgno) => fred.code(msgno))).to.deep.equal([undefined, 0, 0, 0]);
    old.requests[0]?.ok();
    expect(fred.code(msgnos[0] ?? -1)).to.equal(0);
  });

  it('leaves the other endpoints of the old channel attached', () => {
    const stage = new Stage();
    const [fred, old] = [stage.attached(FRED), stage.attached(BARNEY)];
    expect(old.attach('barney/appl=wb@example.com', 2)).to.equal(0);
    old.stuck = true;
    fred.send(data(FRED, ['barney/appl=wb@example.com']));
    fred.send(data(FRED, [BARNEY]));
    const young = stage.attached(BARNEY, [override()]);
    expect(young.waiting).to.have.length(1);
    fred.send(data(FRED, ['barney/appl=wb@example.com']));
    expect(old.waiting.filter(({ operation }) => operation.type === 'data')).to.have.length(2);
  });

  it('continues with held Data where the old attachment stopped', async () => {
    const stage = new Stage();
    const fred = stage.attached(FRED);
    for (let transID = 1; transID <= 8; transID += 1) fred.send(data(FRED, [BARNEY], [hold({ transID })]));
    await settled();
    const old = stage.attached(BARNEY);
    await settled();
    const young = stage.attached(BARNEY, [override()]);
    await settled();
    expect(young.waiting, 'the old one may still answer').to.have.length(0);
    for (const request of old.waiting) request.ok();
    const seen: number[] = [];
    while (young.waiting.length > 0) {
      seen.push(young.waiting[0]?.data.options[0]?.transID ?? 0);
      young.waiting[0]?.ok();
    }
    expect(seen).to.deep.equal([5, 6, 7, 8]);
    expect(stage.relay.held.data).to.equal(0);
  });

  it('replaces an attachment of the same session, too, which may go on sending', () => {
    const stage = new Stage();
    const fred = stage.attached(FRED);
    const again = fred.send({ type: 'attach', endpoint: FRED, transID: 2, options: [override()] });
    expect(fred.code(again)).to.equal(0);
    expect(terminations(fred).map(({ transID }) => transID)).to.deep.equal([1]);
    expect(fred.ask(data(FRED, ['nobody@rubble.com']))).to.equal(undefined);
    expect(stage.rubble.deliveries).to.have.length(1);
  });

  it('does not count the change as an absence', () => {
    const stage = new Stage();
    const heard: string[] = [];
    stage.relay.watchAttachments({
      attached: (key) => heard.push(`+${key}`),
      detached: (key) => heard.push(`-${key}`),
    });
    const old = stage.attached(BARNEY);
    const young = stage.attached(BARNEY, [override()]);
    old.lose();
    expect(heard).to.deep.equal([`+${BARNEY}`]);
    young.lose();
    expect(heard).to.deep.equal([`+${BARNEY}`, `-${BARNEY}`]);
  });
});

/** The example of the specification, as it is written. */
describe('relay: attachOverride on the wire (RFC 3342 §1)', () => {
  const INES = 'ines@harbour.example';
  const identity = { kind: 'endpoint', address: INES, proof: { mechanism: 'PLAIN', privacy: true } } as const;

  for (const dialect of [imxpDialect(), apexDialect()]) {
    it(`REQ-IMXP-057 is accepted in ${dialect.name}`, () => {
      const stage = new Stage({ relay: { dialects: [dialect], domains: ['harbour.example'] } });
      const document = (text: string): Buffer => {
        const type = dialect.name === 'imxp' ? 'text/xml' : 'application/beep+xml';
        return Buffer.from(`Content-Type: ${type}\r\n\r\n${text}`);
      };
      const join = (): FakeChannel => {
        const channel = new FakeChannel(identity, { privacy: true, dialect });
        channel.handler = stage.relay.accept(channel);
        return channel;
      };
      const [app1, app2] = [join(), join()];
      expect(app1.ask(document(`<attach endpoint='${INES}' transID='71' />`))).to.equal(0);
      expect(app2.ask(document(`<attach endpoint='${INES}' transID='801' />`))).to.equal(554);
      const overriding = `<attach endpoint='${INES}' transID='802'>
        <option internal='attachOverride' transID='803' /></attach>`;
      expect(app2.ask(document(overriding))).to.equal(0);
      const said = app1.requests[0]?.joined.toString() ?? '';
      const expected =
        dialect.name === 'imxp'
          ? `<terminate transID='71' />`
          : `<terminate code='556' transID='71'>overridden</terminate>`;
      expect(said.slice(said.indexOf('<')).trim()).to.equal(expected);
    });
  }

  it('D-OPT-09 REQ-IMXP-060 accepts hold4Endpoint without a transID, as in the example of RFC 3342 §3', async () => {
    const stage = new Stage();
    const fred = stage.attached(FRED);
    const text = `<data originator='${FRED}' content='#Note'><recipient identity='${BARNEY}' />
      <option internal='hold4Endpoint' /><data-content Name='Note' /></data>`;
    const msgno = fred.send(Buffer.from(`Content-Type: text/xml\r\n\r\n${text}`));
    await settled();
    expect(fred.code(msgno)).to.equal(0);
    const barney = stage.attached(BARNEY);
    await settled();
    const given = barney.requests[0]?.joined.toString() ?? '';
    expect(given).to.include(`<recipient identity='${BARNEY}' />`).and.include("internal='hold4Endpoint'");
    // The relay says which of the messages it has held this is, so that a second delivery can be told.
    expect(given).to.match(/external='urn:x-imxp:held'[^>]*>\s*<held id='[\w-]+' \/>/);
  });
});
