import { expect } from 'chai';
import { nameObstacle } from '../../lib/node/new-account.js';

const policy = {
  services: { 'imxp=presence@example.com': 'application' },
  gateways: { 'slate.example': 'imxp=gateway@example.com' },
} as const;
const domains = ['example.com', 'slate.example'];

describe('node/new-account', () => {
  it('D-CORE-15 lets a service have an account only if the configuration gives it to an application', () => {
    for (const name of ['imxp=presence@example.com', 'apex=Presence@EXAMPLE.com', 'imxp=gateway@example.com']) {
      expect(nameObstacle(name, { domains, policy }), name).to.equal(undefined);
      expect(nameObstacle(name, { domains }), name).to.match(/^names a service;/);
    }
    expect(nameObstacle('imxp=access@example.com', { domains, policy })).to.match(/^names a service;/);
    expect(nameObstacle('imxp=mesh@rubble.com', { domains, policy })).to.equal(undefined);
  });

  it('D-CORE-38 gives nobody an account that stands for a whole domain, however it is quoted', () => {
    for (const name of ['*@example.com', '"*"@example.com']) {
      expect(nameObstacle(name, { domains, policy })).to.match(/^stands for every endpoint of example\.com/);
    }
    expect(nameObstacle('fred*@example.com', { domains, policy })).to.equal(undefined);
  });
});
