import { expect } from 'chai';
import { GatewayState } from '../../../lib/gateway/xmpp/state.js';
import { openStore } from '../../../lib/store/open.js';
import type { Store } from '../../../lib/store/store.js';
import { temporaryDirectory } from '../../support/temporary.js';

describe('the state of a gateway to XMPP', () => {
  const path = temporaryDirectory();
  const open = (): Promise<Store> => openStore({ type: 'lmdb', path: path('store') });
  const names = { watcher: 'pres:romeo@xmpp.example', target: 'pres:fred@example.com' };
  const cpim = { side: 'cpim' as const, ...names, transID: 7, subscriptID: 'a', until: 1000 };
  const xmpp = { side: 'xmpp' as const, ...names, subscriptID: 'a', until: 1000, since: 1, approved: true };

  it('is there again after a restart', async () => {
    const first = await GatewayState.open(await open());
    first.subscriptions.put(cpim);
    first.subscriptions.put({ ...cpim, side: 'imxp' });
    first.xmpp.put({ ...xmpp, approved: false });
    first.xmpp.put(xmpp);
    first.xmpp.put({ ...xmpp, side: 'mesh' });
    first.xmpp.remove({ ...xmpp, side: 'mesh' });
    await first.close();
    const second = await GatewayState.open(await open());
    expect([...second.subscriptions.all()].map(({ side }) => side)).to.have.members(['cpim', 'imxp']);
    expect([...second.xmpp.all()]).to.deep.equal([xmpp]);
    await second.close();
  });

  it('is not made of records that it has not written', async () => {
    const store = await open();
    await store.put('gateway/xmpp/x', { side: 'nobody' });
    const failure = await GatewayState.open(store).catch((error: unknown) => error);
    expect(failure).to.include({ code: 'STORE_FAILED' });
    await store.close();
  });
});
