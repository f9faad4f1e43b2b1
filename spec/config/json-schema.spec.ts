import { expect } from 'chai';
import { configurationJsonSchema } from '../../lib/config/json-schema.js';

describe('config/json-schema', () => {
  it('has the defaults of values that are converted when they are read', () => {
    const { listen, admin } = JSON.parse(JSON.stringify(configurationJsonSchema())).properties;
    expect(listen.items.properties.host.default).to.equal('127.0.0.1');
    expect(admin.properties.host.default).to.equal('127.0.0.1');
  });
});
