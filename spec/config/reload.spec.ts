import { expect } from 'chai';
import { parseConfig } from '../../lib/config/parse.js';
import { reloadable } from '../../lib/config/reload.js';

const base = { domains: ['example.com'], listen: [{ port: 10_913 }] };

describe('config/reload', () => {
  it('finds no difference between equal configurations', () => {
    expect(reloadable(parseConfig(base), parseConfig(base))).to.deep.equal({ applied: [], restart: [] });
  });

  it('distinguishes what takes effect at once from what needs a restart', () => {
    const next = parseConfig({
      ...base,
      listen: [{ port: 10_914 }],
      admin: { port: 9913 },
      log: { level: 'debug' },
      mesh: { routes: [{ domain: 'rubble.com', relays: ['tcp://127.0.0.1:20913'] }] },
    });
    const { applied, restart } = reloadable(parseConfig(base), next);
    expect(applied).to.have.members(['mesh', 'log']);
    expect(restart).to.have.members(['listen', 'admin']);
  });
});
