import { once } from 'node:events';
import { connect } from 'node:net';
import { expect } from 'chai';
import { parseMailGatewayConfig } from '../../../lib/config/mail-gateway.js';
import type { Reply } from '../../../lib/errors.js';
import { type CpimResponse, responseTo } from '../../../lib/gateway/cpim-service.js';
import { MailAddresses } from '../../../lib/gateway/mail/addresses.js';
import type { OutgoingMail } from '../../../lib/gateway/mail/client.js';
import { replyOfSmtp, replyOfStatus, smtpReplyOf } from '../../../lib/gateway/mail/codes.js';
import { contentOfMail, incomingMail } from '../../../lib/gateway/mail/conversion.js';
import { readDeliveryStatus } from '../../../lib/gateway/mail/delivery-status.js';
import { MailPeer, type MailPeerOptions } from '../../../lib/gateway/mail/peer.js';
import { startMailServer } from '../../../lib/gateway/mail/server.js';
import { Clock, FakeMesh, turn } from '../xmpp/fakes.js';

const addresses = new MailAddresses({
  users: [{ mesh: 'example.com', mail: 'im.example.com' }],
  domains: [{ mesh: 'mail.example', mail: 'slate.example' }],
  sourceRouted: 'gw.example',
});

function stage(options: Partial<MailPeerOptions> = {}) {
  const [mesh, clock] = [new FakeMesh(), new Clock()];
  const sent: OutgoingMail[] = [];
  const answers: (Reply | undefined)[] = [];
  const peer = new MailPeer({
    addresses,
    hostname: 'im.example.com',
    security: { authenticated: true, confidential: true },
    confirmation: 'server',
    timeoutMs: 1000,
    octets: 10_000,
    outstanding: 4,
    outstandingPerUser: 2,
    send: async (mail) => {
      sent.push(mail);
      return answers.shift();
    },
    gateway: () => mesh,
    wait: clock.wait,
    now: clock.now,
    ...options,
  });
  const message = (destination = 'im:joe@mail.example', source = 'im:fred@example.com'): Promise<CpimResponse> =>
    peer.message({
      type: 'message',
      source,
      destination,
      transID: 't1',
      maxForwards: 5,
      content: { type: 'text/plain', headers: [], body: Buffer.from('Hello') },
    });
  return { mesh, clock, sent, answers, peer, message };
}

function notification(fields: string): Buffer {
  const text = `Content-Type: multipart/report; report-type="delivery-status"; boundary=b

--b

told
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; slate.example
Original-Envelope-Id: t1

${fields}

--b--
`;
  return Buffer.from(text.replace(/\n/g, '\r\n'));
}

describe('addresses of the gateway to mail', () => {
  it('are those of the domains that stand for each other, and source-routed', () => {
    expect(addresses.mailOfUser('fred/home@example.com')).to.equal('fred/home@im.example.com');
    expect(addresses.user('fred@IM.example.com')).to.equal('fred@example.com');
    expect(addresses.outsider('joe@slate.example')).to.equal('joe@mail.example');
    expect(addresses.outsider('ann+x@elsewhere.example')).to.equal('smtp=elsewhere.example/ann+x@gw.example');
    for (const mail of ['ann+x@elsewhere.example', '"a b"@elsewhere.example', 'a/b@elsewhere.example'])
      expect(addresses.mailOfOutsider(addresses.outsider(mail) ?? ''), mail).to.equal(mail);
  });

  it('do not exist for services, for others, and for what would go round in a circle', () => {
    for (const mail of [
      'imxp=report@im.example.com',
      'fred@example.com',
      'x',
      '@im.example.com',
      `${'x'.repeat(65)}@im.example.com`,
    ])
      expect(addresses.user(mail), mail).to.equal(undefined);
    expect(addresses.outsider('fred@im.example.com')).to.equal(undefined);
    for (const address of [
      'smtp=im.example.com/fred@gw.example',
      'xmpp=slate.example/joe@gw.example',
      'smtp=a%0d%0ab/x@gw.example',
      'smtp=a.example/x%0d%0aRCPT@gw.example',
      'imxp=access@mail.example',
    ])
      expect(addresses.mailOfOutsider(address), address).to.equal(undefined);
  });
});

describe('reply codes of mail', () => {
  it('say the same on both sides', () => {
    expect(smtpReplyOf({ code: 450, text: 'away' })).to.deep.equal({ code: 450, status: '4.2.0', text: '450 away' });
    expect(smtpReplyOf({ code: 537, text: 'a\r\nb' })).to.deep.equal({ code: 550, status: '5.7.1', text: '537 a b' });
    expect(smtpReplyOf({ code: 599, text: '' })).to.include({ code: 554 });
    const codes = (code: number, text: string) => replyOfSmtp(code, text).code;
    expect([codes(421, ''), codes(451, '4.3.0'), codes(452, '')]).to.deep.equal([450, 450, 450]);
    expect([codes(550, '550 5.1.1 no'), codes(550, '5.7.1 no'), codes(553, ''), codes(552, '5.3.4')]).to.deep.equal([
      550, 537, 553, 554,
    ]);
    expect([replyOfStatus('5.2.2', '').code, replyOfStatus('4.4.7', '').code]).to.deep.equal([550, 450]);
  });
});

describe('mail as the peer of a gateway', () => {
  it('answers what is not known with 451, and passes refusals on', async () => {
    const { answers, message, sent } = stage();
    expect(await message()).to.deep.equal({ transID: 't1', status: 'success' });
    expect(sent[0]).to.include({ from: 'fred@im.example.com', to: 'joe@slate.example', id: 't1', notify: false });
    answers.push({ code: 451, text: 'lost' }, { code: 550, text: 'no' });
    expect(await message()).to.include({ status: 'indeterminant', code: 451 });
    expect(await message()).to.include({ status: 'failure', code: 550 });
    expect(await message('im:smtp=x@gw.example')).to.include({ code: 553 });
    expect(await message('im:joe@mail.example', 'im:fred@other.example')).to.include({ code: 553 });
  });

  it('limits what one sender has without an answer', async () => {
    const { message } = stage({ send: () => new Promise(() => {}) });
    void message();
    void message();
    await turn();
    expect(await message()).to.include({ status: 'failure', code: 450 });
    void message('im:joe@mail.example', 'im:wilma@example.com');
    await turn();
  });

  it('answers a mail that comes back while the server still takes it', async () => {
    const { peer, message, sent } = stage({
      send: async (mail) => {
        sent.push(mail);
        return await new Promise(() => {});
      },
    });
    const first = message();
    await turn();
    const again = await peer.message({
      type: 'message',
      source: 'im:fred@example.com',
      destination: 'im:joe@mail.example',
      transID: 't2',
      maxForwards: 5,
      // As another gateway has brought it back into the mesh.
      content: contentOfMail(
        incomingMail(sent[0]?.octets ?? Buffer.alloc(0), () => undefined),
        'mail:b.example',
        'b.example',
      ),
    });
    expect(again).to.include({ status: 'failure' });
    expect(await first).to.include({ status: 'failure', code: 550 });
  });

  it('waits for the notification of the delivery, where that is wanted', async () => {
    const { peer, message, clock, mesh } = stage({ confirmation: 'delivered' });
    const recipient = 'Final-Recipient: rfc822; joe@slate.example\n';
    const outcomes: CpimResponse[] = [];
    const ask = async (fields: string): Promise<CpimResponse | undefined> => {
      void message().then((outcome) => outcomes.push(outcome));
      await turn();
      expect(await peer.deliver('', ['fred@im.example.com'], notification(fields))).to.deep.equal([undefined]);
      await turn();
      return outcomes.shift();
    };
    expect(await ask(`${recipient}Action: delivered\nStatus: 2.0.0`)).to.include({ status: 'success' });
    expect(await ask(`${recipient}Action: failed\nStatus: 5.1.1`)).to.include({ status: 'failure', code: 550 });
    expect(mesh.taken).to.deep.equal([]);
    // Of another recipient, who says nothing about this one.
    expect(await ask('Final-Recipient: rfc822; ann@slate.example\nAction: delivered\nStatus: 2.0.0')).to.equal(
      undefined,
    );
    expect(mesh.taken).to.have.length(1);
    await clock.pass(1000);
    expect(outcomes[0]).to.include({ status: 'indeterminant', code: 451 });
  });

  it('writes a notification by SMTP of those whom a mail did not reach, and none about a notification', async () => {
    const { peer, mesh, sent } = stage();
    mesh.answer = async (operation) =>
      operation.destination.startsWith('im:fred@')
        ? responseTo(operation, 'success')
        : { ...responseTo(operation, 'failure', '550 no such user'), code: 550 };
    const config = parseMailGatewayConfig({
      mesh: { address: 'imxp=gateway@mail.example', passwordFile: 'p' },
      listen: { protocol: 'smtp', port: 0 },
      users: [{ mesh: 'example.com', mail: 'im.example.com' }],
      domains: [{ mesh: 'mail.example', mail: 'slate.example' }],
    });
    const server = await startMailServer(config, 'im.example.com', peer);
    try {
      const socket = connect(server.port, '127.0.0.1');
      let heard = '';
      socket.on('data', (octets: Buffer) => {
        heard += octets.toString();
      });
      const say = async (line: string, answer: RegExp): Promise<void> => {
        heard = '';
        socket.write(`${line}\r\n`);
        while (!answer.test(heard)) await once(socket, 'data');
      };
      await once(socket, 'data');
      await say('EHLO a.example', /^250 /m);
      for (const sender of ['joe@slate.example', '']) {
        await say(`MAIL FROM:<${sender}>`, /^250 /m);
        await say('RCPT TO:<fred@im.example.com>', /^250 /m);
        await say('RCPT TO:<barney@im.example.com>', /^250 /m);
        await say('DATA', /^354 /m);
        await say('From: joe@slate.example\r\nSubject: Games\r\n\r\nx\r\n.', /^250 2\.0\.0 taken/m);
      }
      await say('MAIL FROM:<joe@slate.example>', /^250 /m);
      await say('RCPT TO:<barney@im.example.com>', /^250 /m);
      await say('DATA', /^354 /m);
      await say('From: joe@slate.example\r\n\r\nx\r\n.', /^550 5\.1\.1 /m);
      socket.destroy();
    } finally {
      await server.close();
    }
    expect(sent.map(({ from, to }) => [from, to])).to.deep.equal([['', 'joe@slate.example']]);
    const [notice] = sent;
    const read = readDeliveryStatus(notice?.octets ?? Buffer.alloc(0));
    expect(read?.recipients).to.deep.equal([
      {
        recipient: 'barney@im.example.com',
        action: 'failed',
        status: '5.1.1',
        diagnostic: '550 5.1.1 550 no such user',
      },
    ]);
    expect(notice?.octets.toString()).to.contain('Subject: Games').and.to.contain('Auto-Submitted: auto-replied');
  });

  it('takes mail only from the servers that are configured', async () => {
    const { peer } = stage();
    const config = parseMailGatewayConfig({
      mesh: { address: 'imxp=gateway@mail.example', passwordFile: 'p' },
      listen: { port: 0, from: ['192.0.2.1'] },
      users: [{ mesh: 'example.com', mail: 'im.example.com' }],
      domains: [{ mesh: 'mail.example', mail: 'slate.example' }],
    });
    const server = await startMailServer(config, 'im.example.com', peer);
    try {
      const [octets] = await once(connect(server.port, '127.0.0.1'), 'data');
      expect(String(octets)).to.match(/^554 /);
    } finally {
      await server.close();
    }
  });
});
