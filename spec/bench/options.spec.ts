import { expect } from 'chai';
import { HELP, optionsOf, SECTIONS } from './options.js';

describe('bench: command line', () => {
  it('measures all sections unless some are named, and peers alone when they are', () => {
    expect(optionsOf([])).to.deep.include({ sections: SECTIONS, peers: [], quick: false });
    expect(optionsOf(['bulk', '--quick'])).to.deep.include({ sections: ['bulk'], quick: true });
    expect(optionsOf(['--peers', 'nats,prosody'])).to.deep.include({ sections: [], peers: ['nats', 'prosody'] });
    expect(optionsOf(['paths', '--peers', 'nats'])).to.deep.include({ sections: ['paths'], peers: ['nats'] });
  });

  it('refuses what it does not know, and says what there is', () => {
    expect(() => optionsOf(['path'])).to.throw(/no section is called path; there are layers/);
    expect(() => optionsOf(['--peers', 'kafka'])).to.throw(/kafka; there are mosquitto/);
    expect(() => optionsOf(['--ways', 'udp'])).to.throw(/udp; there are tcp/);
    expect(() => optionsOf(['--slow'])).to.throw(/--slow/);
  });

  it('tells of each section and option in the help, which fits 120 columns', () => {
    expect(optionsOf(['--help'])).to.equal(HELP);
    for (const section of SECTIONS) expect(HELP).to.include(`\n  ${section} `);
    for (const option of ['quick', 'ways', 'against', 'peers', 'json', 'compare', 'trace-gc', 'attack'])
      expect(HELP).to.include(`\n  --${option}`);
    for (const line of HELP.split('\n')) expect(line.length).to.be.at.most(120);
  });
});
