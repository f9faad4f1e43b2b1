import { expect } from 'chai';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { failureOf } from '../support/failure.js';
import { beepXml } from '../support/raw-documents.js';
import { RawRelay, type RawRelaySession } from '../support/raw-relay.js';
import { within } from '../support/within.js';

const DIGEST = 'http://iana.org/beep/SASL/DIGEST-MD5';
const ACCOUNT = { address: 'fred@example.com', password: 'yabba', tls: 'off' } as const;

describe('endpoint: a relay that is leaving', () => {
  let relay: RawRelay;

  beforeEach(async () => {
    relay = await RawRelay.listen();
  });
  afterEach(() => relay.close());

  /** Refuses what the endpoint starts. */
  async function refuse(session: RawRelaySession, leaving: boolean): Promise<void> {
    await session.greet(DIGEST);
    const asked = await session.started();
    // Its answer is not awaited: the connection ends.
    if (leaving) session.msg(0, beepXml("<close number='0' code='200' />"));
    session.refuse(asked, 550, 'the session is being released');
  }

  it('is tried again when it refuses a start because it releases the session', async () => {
    const connecting = failureOf(
      Endpoint.connect({ ...ACCOUNT, relay: relay.url, reconnect: { firstMs: 1, longestMs: 1, initial: true } }),
    );
    await refuse(await relay.session(), true);
    await refuse(await within(5000, relay.session(), 'the endpoint comes again'), false);
    // What a relay says that stays is about the account.
    expect(await connecting).to.have.property('code', 'SASL_REFUSED');
  });

  it('is no reason to doubt the account', async () => {
    const connecting = failureOf(Endpoint.connect({ ...ACCOUNT, relay: relay.url }));
    await refuse(await relay.session(), true);
    expect(await connecting).to.include({ code: 'CONNECTION_LOST' });
  });
});
