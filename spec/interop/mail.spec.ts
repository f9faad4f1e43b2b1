/**
 * The gateway to mail with a mail server of Debian (aiosmtpd) and a raw client of LMTP, which share no code with it. Where
 * aiosmtpd cannot be installed, the specs are skipped, aloud. `IMXP_INTEROP=off` skips without installing anything.
 */
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import type { Endpoint } from '../../lib/endpoint/endpoint.js';
import { EXTENSION_NAMESPACE } from '../../lib/message/field.js';
import { fromMail } from '../../lib/message/rfc822/convert.js';
import { INSTALL_TIMEOUT_MS, lacksPeer } from '../support/debian.js';
import { freePort } from '../support/free-port.js';
import { GatewayStage, Inbox } from '../support/gateway-stage.js';
import type { Command } from '../support/node-process.js';
import { within } from '../support/within.js';
import { LineProcess } from './peer-process.js';

const USERS = 'example.com';
const MESH_DOMAIN = 'mail.example';
const MAIL_DOMAIN = 'slate.example';
const FRED = `fred@${USERS}`;
const JOE = `joe@${MESH_DOMAIN}`;
const OCTETS = 100_000;
const ANSWER_MS = 60_000;
/** A mail server that says nothing for that long. */
const QUIET_MS = 600_000;

type Facts = Readonly<Record<string, string>>;

describe('the gateway to mail with aiosmtpd', function () {
  this.timeout(120_000);
  let stage: GatewayStage | undefined;
  let peer: LineProcess | undefined;
  let smtpPort = 0;
  let lmtpPort = 0;
  let gateway: Command | undefined;
  let fred: Endpoint;
  let number = 0;
  const seen: Facts[] = [];
  const heard: (() => void)[] = [];
  let inbox: Inbox;

  async function event(fits: (facts: Facts) => boolean, what: string): Promise<Facts> {
    const found = async (): Promise<Facts> => {
      for (;;) {
        const index = seen.findIndex(fits);
        const [one] = index < 0 ? [] : seen.splice(index, 1);
        if (one !== undefined) return one;
        await new Promise<void>((resolve) => heard.push(resolve));
      }
    };
    return await within(ANSWER_MS, found(), () => `${what}; seen: ${JSON.stringify(seen)} ${peer?.stderr}`);
  }

  /** Keeps what the peer says; several may wait for it at once. */
  async function hear(talking: LineProcess): Promise<void> {
    for (;;) {
      const line = await talking.line(QUIET_MS);
      if (line === undefined) return;
      seen.push(JSON.parse(line));
      for (const resolve of heard.splice(0)) resolve();
    }
  }

  const mailed = (): Promise<Facts> => event((facts) => facts['event'] === 'mail', 'a mail at the server');

  /** Sends mail into the mesh. @returns the replies: those of the recipients, and of the content */
  async function mail(data: string, { from = `joe@${MAIL_DOMAIN}`, to = [FRED] } = {}): Promise<string[]> {
    number += 1;
    const id = String(number);
    const text = data.replace(/\n/g, '\r\n');
    peer?.write(JSON.stringify({ do: 'send', id, lmtp: true, port: lmtpPort, from, to, data: text }));
    return ((await event((facts) => facts['id'] === id, 'the replies'))['replies'] ?? '').split('\n');
  }

  async function raw(octets: string): Promise<void> {
    number += 1;
    const id = String(number);
    peer?.write(JSON.stringify({ do: 'raw', id, port: lmtpPort, octets }));
    await event((facts) => facts['id'] === id, 'the end of the connection');
  }

  async function startPeer(): Promise<void> {
    const script = fileURLToPath(new URL('mail-peer.py', import.meta.url));
    peer = new LineProcess('/usr/bin/python3', [script, String(smtpPort)]);
    void hear(peer);
    await event((facts) => facts['event'] === 'ready', 'the mail server');
  }

  before(async function () {
    this.timeout(INSTALL_TIMEOUT_MS);
    if (lacksPeer('aiosmtpd', ['python3-aiosmtpd'])) return this.skip();
    [smtpPort, lmtpPort] = [await freePort(), await freePort()];
    await startPeer();
    stage = await GatewayStage.open({ domains: [USERS], served: [MESH_DOMAIN], users: [FRED] });
    gateway = await stage.gateway('mail', MESH_DOMAIN, {
      listen: { port: lmtpPort },
      smtp: { port: smtpPort },
      users: [{ mesh: USERS, mail: USERS }],
      domains: [{ mesh: MESH_DOMAIN, mail: MAIL_DOMAIN }],
      messages: { octets: OCTETS },
    });
    fred = await stage.connect(FRED);
    inbox = new Inbox(fred);
  });

  after(async () => {
    await fred?.close();
    await stage?.close();
    peer?.stop();
  });

  it('brings a message to mail, and answers ok when the server has taken it', async () => {
    const text = 'Tonight at <eight>? \u{1f3b3}\n.\nOn a line of its own';
    await fred.send({ to: JOE, content: { message: { subject: 'Kegeln um acht? \u00fc', text, lang: 'de' } } });
    const { sender, to, data = '' } = await mailed();
    expect([sender, to]).to.deep.equal([FRED, `joe@${MAIL_DOMAIN}`]);
    const read = fromMail(Buffer.from(data, 'latin1'));
    expect([read.subject, read.text]).to.deep.equal(['Kegeln um acht? \u00fc', text]);
    expect(read.from?.uri).to.equal(`mailto:${FRED}`);
    expect(read.first('message-id')).to.match(/^<.+@.+>$/);
    expect(data.replace(/\r\n(?=[ \t])/g, '')).to.match(
      /^Received: from fred@example\.com by example\.com with IMXP id /m,
    );
    expect(data).to.match(/^X-Imxp-Gateway: mail:example\.com/m);
    await fred.send({ to: JOE, content: 'plain text' });
    expect(fromMail(Buffer.from((await mailed())['data'] ?? '', 'latin1')).text?.trim()).to.equal('plain text');
  });

  it('brings mail to the mesh, and answers when the program of the recipient has taken it', async () => {
    const replies = await mail(
      'From: Joe <joe@slate.example>\nTo: fred@example.com, other@rubble.example\nSubject: =?utf-8?Q?Um_acht=3F_=C3=BC?=\n' +
        'Message-ID: <1@slate.example>\nX-Spam: no\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n' +
        'Content-Transfer-Encoding: base64\n\nSGVsbG8g8J+Osw==\n',
    );
    expect(replies[2]).to.match(/^250 /);
    const { originator, message } = await inbox.next(() => gateway?.output ?? '');
    expect(originator).to.equal(JOE);
    expect([message?.subject, message?.text]).to.deep.equal(['Um acht? \u00fc', 'Hello \u{1f3b3}']);
    expect(message?.from).to.deep.include({ phrase: 'Joe', uri: `im:${JOE}` });
    expect(message?.to.map(({ uri }) => uri)).to.deep.equal([`im:${FRED}`, 'mailto:other@rubble.example']);
    expect(message?.first('message-id')).to.equal('<1@slate.example>');
    expect(message?.fields.map(({ name }) => name)).not.to.include('x-spam');
  });

  it('answers what the mail server refuses with a code: for good, for now, and 451 where nobody knows', async () => {
    const codes = async (name: string) => {
      const [outcome] = await fred.sendEach({ to: `${name}@${MESH_DOMAIN}`, content: 'x' });
      return [outcome?.code, outcome?.text];
    };
    expect(await codes('nobody')).to.deep.equal([550, 'the mail server says: 550 5.1.1 no such user here']);
    expect((await codes('busy'))[0]).to.equal(450);
    expect((await codes('drop'))[0]).to.equal(451);
  });

  it('answers each recipient of a mail by itself', async () => {
    const replies = await mail('From: joe@slate.example\n\nx\n', { to: [FRED, `nobody@${USERS}`] });
    expect(replies.slice(-2)[0]).to.match(/^250 2\.1\.5 /);
    expect(replies.slice(-1)[0]).to.match(/^550 5\.1\.1 /);
    expect((await inbox.next(() => gateway?.output ?? '')).originator).to.equal(JOE);
  });

  it('is no open relay: it takes mail only for users of the mesh, from senders of whom the mesh has an address', async () => {
    const data = 'From: joe@slate.example\n\nx\n';
    for (const to of ['victim@elsewhere.example', `joe@${MAIL_DOMAIN}`, `joe@${MESH_DOMAIN}`, `imxp=report@${USERS}`])
      expect((await mail(data, { to: [to] }))[1], to).to.match(/^550 5\.7\.1 relaying denied/);
    for (const from of ['x@elsewhere.example', FRED])
      expect((await mail(data, { from }))[0], from).to.match(/^550 5\.7\.1 /);
    expect(seen.filter((facts) => facts['event'] === 'mail')).to.deep.equal([]);
  });

  it('ends a loop by the marker of the gateway, and by the number of servers passed', async () => {
    expect((await mail('From: joe@slate.example\nX-IMXP-Gateway: mail:EXAMPLE.com\n\nx\n'))[2]).to.match(/^550 /);
    const received = 'Received: from a.example by b.example; Mon, 30 Nov 2026 12:00:00 +0000\n'.repeat(101);
    expect((await mail(`${received}From: joe@slate.example\n\nx\n`))[2]).to.match(/^550 .*too many/);
    expect(inbox.waiting).to.equal(0);
  });

  it('lets nobody put headers into a mail', async () => {
    const extension = (name: string, value: string) => ({
      namespace: EXTENSION_NAMESPACE,
      name,
      value,
      lang: undefined,
      seeNoEvil: true,
    });
    await fred.send({
      to: JOE,
      content: {
        message: {
          from: { phrase: 'boss@slate.example\r\nBcc: a@b.example', uri: 'im:boss@slate.example' },
          subject: 'Hello\r\nBcc: victim@elsewhere.example\r\n\r\nbody',
          fields: ['from', 'bcc', 'received', 'x-priority', 'content-type', 'dkim-signature'].map((name) =>
            extension(name, 'x <evil@elsewhere.example>\r\nBcc: evil@elsewhere.example'),
          ),
          text: 'x',
        },
      },
    });
    const { to, data = '' } = await mailed();
    const head = data.slice(0, data.indexOf('\r\n\r\n'));
    expect(to).to.equal(`joe@${MAIL_DOMAIN}`);
    expect(head).not.to.match(/^(?:bcc|x-priority|dkim-signature):/im);
    expect(head).not.to.contain('evil');
    expect(head.match(/^from:.*$/gim)).to.deep.equal([`From: ${FRED}`]);
    expect(head.match(/^(?:content-type|received):/gim)).to.have.length(2);
  });

  it('tells the sender of a message what a later notification says', async () => {
    const report = [
      `To: ${FRED}`,
      'Content-Type: multipart/report; report-type=delivery-status; boundary=b',
      '',
      '--b',
      'Content-Type: text/plain',
      '',
      'It failed.',
      '--b',
      'Content-Type: message/delivery-status',
      '',
      'Reporting-MTA: dns; mail.slate.example',
      'Original-Envelope-Id: 1234',
      '',
      'Final-Recipient: rfc822; joe@slate.example',
      'Action: failed',
      'Status: 5.2.2',
      'Diagnostic-Code: smtp; 552 mailbox is full',
      '',
      '--b',
      'Content-Type: text/rfc822-headers',
      '',
      'Message-ID: <abc@example.com>',
      '',
      '--b--',
      '',
    ].join('\n');
    expect((await mail(report, { from: '' }))[2]).to.match(/^250 /);
    const { originator, message } = await inbox.next(() => gateway?.output ?? '');
    expect(originator).to.equal(JOE);
    expect(message?.text).to.equal('Your mail to joe@slate.example failed: 5.2.2 552 mailbox is full.');
    expect(message?.first('in-reply-to')).to.equal('<abc@example.com>');
    // Something else without a return path, as a vacation notice.
    expect((await mail('From: joe@slate.example\nAuto-Submitted: auto-replied\n\naway\n', { from: '' }))[2]).to.match(
      /^250 /,
    );
    const automatic = await inbox.next(() => gateway?.output ?? '');
    expect(automatic.originator).to.equal(`mailer-daemon@${MESH_DOMAIN}`);
    expect(automatic.message?.fields.find(({ name }) => name === 'auto-submitted')?.value).to.equal('auto-replied');
  });

  it('refuses malformed input, and serves others meanwhile', async () => {
    const long = 'x'.repeat(OCTETS);
    const odd = [
      '\0\xff\xfe'.repeat(50_000),
      'LHLO a\r\n'.repeat(2000),
      `LHLO ${long}\r\n`,
      'LHLO a\r\nMAIL FROM:<\r\nRCPT TO:<\r\nDATA\r\nAUTH PLAIN AAAA\r\nSTARTTLS\r\nVRFY root\r\n',
      `LHLO a\r\nMAIL FROM:<joe@slate.example>\r\nRCPT TO:<${FRED}>\r\nDATA\r\nhalf a mail`,
      `LHLO a\r\nMAIL FROM:<${long}@slate.example>\r\n`,
    ];
    const sent = odd.map(raw);
    const mails = [
      mail('no header at all'),
      mail(`From: joe@slate.example\n${'X-A: b\n'.repeat(20_000)}\nx\n`),
      mail('From: a b c\n\nx\n'),
      mail(`Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n${'--b\n'.repeat(5000)}`, {
        from: '',
      }),
      mail(`From: joe@slate.example\n\n${long}\n`),
    ];
    expect((await mail('From: joe@slate.example\n\ncalm\n'))[2]).to.match(/^250 /);
    expect((await inbox.next(() => gateway?.output ?? '')).message?.text?.trim()).to.equal('calm');
    for (const replies of await Promise.all(mails)) expect(replies.at(-1)).to.match(/^5\d\d /);
    await Promise.all(sent);
    expect((await mail('From: joe@slate.example\n\nafter\n'))[2]).to.match(/^250 /);
    expect((await inbox.next(() => gateway?.output ?? '')).message?.text?.trim()).to.equal('after');
    expect(gateway?.output).not.to.match(/"level":(?:50|60)/);
  });

  it('answers 450 while the mail server is away, and goes on when it is back', async () => {
    await peer?.kill();
    const [outcome] = await fred.sendEach({ to: JOE, content: 'x' });
    expect(outcome).to.include({ code: 450 });
    await startPeer();
    await fred.send({ to: JOE, content: 'again' });
    expect((await mailed())['data']).to.contain('again');
  });

  it('ends in order', async () => {
    gateway?.signal('SIGTERM');
    expect((await gateway?.finished())?.code, gateway?.output).to.equal(0);
  });
});
