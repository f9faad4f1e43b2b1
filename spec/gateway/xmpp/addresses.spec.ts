import { expect } from 'chai';
import * as fc from 'fast-check';
import { XmppAddresses } from '../../../lib/gateway/xmpp/addresses.js';
import { escapeLocal, parseJid, unescapeLocal, writeJid } from '../../../lib/gateway/xmpp/jid.js';

const addresses = new XmppAddresses({
  users: [{ mesh: 'xmpp.slate.example', xmpp: 'slate.example' }],
  components: [
    { mesh: 'example.com', xmpp: 'example.com' },
    { mesh: '*', xmpp: 'mesh.slate.example' },
  ],
  sourceRouted: 'gw.example',
});

const jid = (text: string) => {
  const parsed = parseJid(text);
  if (parsed === undefined) throw new Error(`not a JID: ${text}`);
  return parsed;
};
const written = (found: ReturnType<XmppAddresses['userJid']>) => found && writeJid(found);

describe('XMPP addresses', () => {
  it('are split into their parts (RFC 7622 §3)', () => {
    expect(parseJid('romeo@Slate.Example/orchard @/ 1')).to.deep.equal({
      local: 'romeo',
      domain: 'slate.example',
      resource: 'orchard @/ 1',
    });
    expect(parseJid('slate.example')).to.deep.equal({ local: '', domain: 'slate.example', resource: undefined });
    for (const wrong of ['', '@x', 'a b@x', 'a@b@x', 'a@', 'a@x/', 'a<b@x', `${'a'.repeat(1024)}@x`, 'a\u0000b@x'])
      expect(parseJid(wrong), wrong).to.equal(undefined);
  });

  it('escape characters that a local part cannot contain (XEP-0106)', () => {
    for (const [plain, escaped] of [
      ['space cadet', 'space\\20cadet'],
      ['call me "ishmael"', 'call\\20me\\20\\22ishmael\\22'],
      ['at&t guy', 'at\\26t\\20guy'],
      ["d'artagnan", 'd\\27artagnan'],
      ['/.fanboy', '\\2f.fanboy'],
      ['::foo::', '\\3a\\3afoo\\3a\\3a'],
      ['<foo>', '\\3cfoo\\3e'],
      ['user@host', 'user\\40host'],
      ['c:\\net', 'c\\3a\\net'],
      ['c:\\cool stuff', 'c\\3a\\cool\\20stuff'],
      ['c:\\5commas', 'c\\3a\\5c5commas'],
    ] as const) {
      expect(escapeLocal(plain)).to.equal(escaped);
      expect(unescapeLocal(escaped)).to.equal(plain);
    }
    for (const wrong of ['', ' a', 'a ', 'a\nb', 'a\u0007b', 'x'.repeat(1024)])
      expect(escapeLocal(wrong)).to.equal(undefined);
  });

  it('are restored exactly from their escaped form', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'ab\\ "&\'/:<>@2567cfe0') }), (text) => {
        const escaped = escapeLocal(text);
        if (escaped !== undefined) expect(unescapeLocal(escaped)).to.equal(text);
      }),
    );
  });
});

describe('the address mapping of the XMPP gateway', () => {
  it('maps XMPP domains to mesh domains and back', () => {
    for (const [mesh, xmpp] of [
      ['romeo@xmpp.slate.example', 'romeo@slate.example'],
      ["d'artagnan@xmpp.slate.example", 'd\\27artagnan@slate.example'],
      ['romeo/orchard@xmpp.slate.example', 'romeo\\2forchard@slate.example'],
    ] as const) {
      expect(written(addresses.userJid(mesh))).to.equal(xmpp);
      expect(addresses.userAddress(jid(xmpp))).to.equal(mesh);
    }
    // XMPP does not tell upper from lower case.
    expect(written(addresses.userJid('Romeo@XMPP.Slate.Example'))).to.equal('romeo@slate.example');
    expect(addresses.userAddress(jid('romeo@slate.example/balcony'))).to.equal('romeo@xmpp.slate.example');
  });

  it('maps mesh domains to components and back', () => {
    for (const [mesh, xmpp] of [
      ['fred@example.com', 'fred@example.com'],
      ['fred/appl=im@example.com', 'fred\\2fappl=im@example.com'],
      ['wilma@rubble.com', 'wilma\\40rubble.com@mesh.slate.example'],
      ["o'hara/home@rubble.com", 'o\\27hara\\2fhome\\40rubble.com@mesh.slate.example'],
    ] as const) {
      expect(written(addresses.meshJid(mesh))).to.equal(xmpp);
      expect(addresses.meshAddress(jid(xmpp))).to.equal(mesh);
    }
  });

  it('gives users of all other XMPP domains source-routed names (RFC 3860 Appendix B.2)', () => {
    for (const [mesh, xmpp] of [
      ['xmpp=capulet.example/juliet@gw.example', 'juliet@capulet.example'],
      ['xmpp=capulet.example/j%C3%BCrgen@gw.example', 'j\u00fcrgen@capulet.example'],
      ['xmpp=slate.example/j%C3%BCrgen@gw.example', 'j\u00fcrgen@slate.example'],
    ] as const) {
      expect(written(addresses.userJid(mesh))).to.equal(xmpp);
      expect(addresses.userAddress(jid(xmpp))).to.equal(mesh);
    }
    for (const wrong of ['sip=capulet.example/juliet@gw.example', 'juliet@gw.example', 'xmpp=a%20b/juliet@gw.example'])
      expect(addresses.userJid(wrong), wrong).to.equal(undefined);
  });

  it('gives no names to services, to the gateway itself, and to addresses that the other side cannot write', () => {
    expect(addresses.meshJid('imxp=presence@example.com')).to.equal(undefined);
    expect(addresses.userJid('imxp=presence@xmpp.slate.example')).to.equal(undefined);
    expect(addresses.meshAddress(jid('imxp=report@example.com'))).to.equal(undefined);
    expect(addresses.meshAddress(jid('example.com'))).to.equal(undefined);
    expect(addresses.meshAddress(jid('fred@elsewhere.example'))).to.equal(undefined);
    // An answer to a name with upper case would go to another user of the mesh.
    expect(addresses.meshJid('Fred@example.com')).to.equal(undefined);
  });

  it('does not send back what comes from the gateway itself', () => {
    expect(addresses.userAddress(jid('fred@example.com'))).to.equal(undefined);
    expect(addresses.meshJid('romeo@xmpp.slate.example')).to.equal(undefined);
    expect(addresses.meshAddress(jid('romeo\\40xmpp.slate.example@mesh.slate.example'))).to.equal(undefined);
  });

  it('has one name for each of two users whose local parts unescape to the same text, or refuses one', () => {
    const [plain, escaped] = ['a\\b', 'a\\5cb'];
    // The one that an answer goes to has the plain name; the other has none, or one of its own.
    const names = [plain, escaped].map((local) => addresses.userAddress(jid(`${local}@slate.example`)) ?? '');
    expect(names[0]).to.equal('"a\\\\b"@xmpp.slate.example');
    expect(names[1]).to.equal('xmpp=slate.example/a%5C5cb@gw.example');
    expect(names.map((name) => written(addresses.userJid(name)))).to.deep.equal([
      `${plain}@slate.example`,
      `${escaped}@slate.example`,
    ]);
    for (const local of [plain, escaped]) {
      const far = jid(`${local}@capulet.example`);
      expect(written(addresses.userJid(addresses.userAddress(far) ?? ''))).to.equal(writeJid(far));
    }
    const closed = new XmppAddresses({ users: [{ mesh: 'x.example', xmpp: 'slate.example' }], components: [] });
    expect(closed.userAddress(jid(`${escaped}@slate.example`))).to.equal(undefined);
    expect(addresses.meshAddress(jid(`${escaped}@example.com`))).to.equal(undefined);
  });

  it('does not take a quoted slash for that before a subaddress: they are two users of the mesh', () => {
    expect(written(addresses.meshJid('fred/home@example.com'))).to.equal('fred\\2fhome@example.com');
    expect(addresses.meshJid('"fred/home"@example.com')).to.equal(undefined);
    expect(addresses.meshJid('"wilma/home"@rubble.com')).to.equal(undefined);
  });

  it('answers every user under the name that they have, whatever it contains', () => {
    const unit = fc.constantFrom(...'aB\\25c0f/."@ \'\u00fc');
    fc.assert(
      fc.property(fc.string({ unit, minLength: 1 }), (local) => {
        for (const domain of ['slate.example', 'capulet.example', 'example.com', 'mesh.slate.example']) {
          const parsed = parseJid(`${local}@${domain}`);
          if (parsed === undefined) continue;
          const user = addresses.userAddress(parsed);
          const back = user === undefined ? undefined : written(addresses.userJid(user));
          if (back !== undefined) expect(back.toLowerCase()).to.equal(writeJid(parsed).toLowerCase());
          const mesh = addresses.meshAddress(parsed);
          if (mesh !== undefined) expect(addresses.meshJid(mesh)).to.not.equal(undefined);
        }
      }),
    );
  });

  it('has no name for a user whose address would be too long for the mesh', () => {
    expect(addresses.userAddress(jid(`${'\u00fc'.repeat(500)}@capulet.example`))).to.equal(undefined);
  });

  it('lists the mesh domains for which the gateway attaches', () => {
    expect(addresses.served).to.deep.equal(['xmpp.slate.example', 'gw.example']);
  });
});
