import { expect } from 'chai';
import { RouteTable } from '../../lib/mesh/route-table.js';

describe('mesh/route-table', () => {
  const routes = new RouteTable<string>();
  routes.add('rubble.com', 'exact');
  routes.add('*.rubble.com', 'suffix');
  routes.add('*.quarry.rubble.com', 'longer suffix');

  it('prefers the domain itself, then the longest suffix', () => {
    expect(routes.find('rubble.com')).to.equal('exact');
    expect(routes.find('a.rubble.com')).to.equal('suffix');
    expect(routes.find('a.b.quarry.rubble.com')).to.equal('longer suffix');
    expect(routes.find('quarry.rubble.com'), 'a suffix does not fit the domain itself').to.equal('suffix');
  });

  it('has no route for other domains unless there is a default', () => {
    expect(routes.find('xrubble.com')).to.equal(undefined);
    const defaults = new RouteTable<string>();
    defaults.add('*', 'default');
    expect(defaults.find('slate.example')).to.equal('default');
  });

  it('lists every route', () => {
    expect([...routes]).to.deep.equal(['exact', 'suffix', 'longer suffix']);
  });
});
