/** Somebody in between who takes away what protects: a node never does with less than its configuration demands. */
import { expect } from 'chai';
import type { NodeConfigInput } from '../../lib/config/schema.js';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import type { Node } from '../../lib/node/node.js';
import { events } from '../../lib/ops/events.js';
import { TestAuthority } from '../support/certificates.js';
import { failureOf } from '../support/failure.js';
import { Interceptor, type Interference } from '../support/interceptor.js';
import { Nodes, portOf } from '../support/nodes.js';
import { temporaryFile } from '../support/temporary-file.js';

const FRED = 'fred@example.com';
const BARNEY = 'barney@rubble.com';
const MESH = 'imxp=mesh@example.com';
const PASSWORD = 'yabba dabba doo';
const TEXT = 'the dinosaur is in the quarry';

type Route = NonNullable<NonNullable<NodeConfigInput['mesh']>['routes']>[number];

describe('security: downgrade by an interceptor', function () {
  this.timeout(30_000);
  const authority = new TestAuthority();
  const nodes = new Nodes();
  const interceptors: Interceptor[] = [];
  const endpoints: Endpoint[] = [];
  let obstacles: { error: string; reason: string }[] = [];
  let ends: string[] = [];
  let tuned: string[] = [];
  let stops: (() => void)[] = [];

  beforeEach(() => {
    obstacles = [];
    ends = [];
    tuned = [];
    stops = [
      events.link.subscribe((it) => {
        if (it.state === 'failed') obstacles.push({ error: String(it['error']), reason: String(it['reason']) });
      }),
      events.closed.subscribe(({ reason }) => ends.push(reason ?? '')),
      events.tuned.subscribe(({ protocol }) => tuned.push(protocol)),
    ];
  });
  afterEach(async () => {
    for (const stop of stops) stop();
    await Promise.all(endpoints.splice(0).map((endpoint) => endpoint.close()));
    for (const interceptor of interceptors.splice(0)) interceptor.close();
    await nodes.stop();
  });

  async function tls(domain: string, legacy = false): Promise<NonNullable<NodeConfigInput['tls']>> {
    const { certificate, key } = authority.issue({ domains: [domain] });
    return {
      certificate: await temporaryFile(certificate),
      key: await temporaryFile(key),
      authority: await temporaryFile(authority.certificate),
      require: 'never',
      legacy,
    };
  }

  async function between(relay: Node, interference: Interference): Promise<Interceptor> {
    const interceptor = await Interceptor.between(portOf(relay), interference);
    interceptors.push(interceptor);
    return interceptor;
  }

  /** rubble.com, which takes what there is, and example.com, whose way there leads past him. */
  async function mesh(
    interference: Interference,
    route: Partial<Route>,
    more: { legacy?: boolean; qops?: boolean } = {},
  ) {
    const mechanisms = ['SCRAM-SHA-256', 'DIGEST-MD5', 'PLAIN'] as const;
    const qops = more.qops === true ? (['auth', 'auth-int', 'auth-conf'] as const) : (['auth'] as const);
    const accounts = { [BARNEY]: PASSWORD, [MESH]: PASSWORD };
    const rubble = await nodes.start(
      {
        domains: ['rubble.com'],
        sasl: { mechanisms: [...mechanisms], qops: [...qops] },
        tls: await tls('rubble.com', more.legacy),
      },
      accounts,
    );
    const interceptor = await between(rubble, interference);
    const passwordFile = await temporaryFile(`${PASSWORD}\n`);
    const credentials = { username: MESH, passwordFile, ...route.credentials };
    const example = await nodes.start(
      {
        tls: await tls('example.com', more.legacy),
        mesh: { routes: [{ domain: 'rubble.com', relays: [interceptor.url], lanes: 1, ...route, credentials }] },
      },
      { [FRED]: PASSWORD },
    );
    return { interceptor, rubble, example };
  }

  async function attached(address: string, node: Node): Promise<Endpoint> {
    const relay = `tcp://127.0.0.1:${portOf(node)}`;
    const endpoint = await Endpoint.connect({ address, relay, password: PASSWORD, tls: 'off' });
    endpoints.push(endpoint);
    return endpoint;
  }

  /** Fred's Data is refused, for the reason given. */
  async function refused(example: Node, error: string | RegExp): Promise<void> {
    const fred = await attached(FRED, example);
    const refusal = await failureOf(fred.send({ to: BARNEY, content: TEXT }));
    expect(refusal).to.have.nested.property('reply.code', 450);
    expect(obstacles[0]?.error).to.match(new RegExp(error));
  }

  const replaced = (from: string, to: string) => (octets: Buffer) =>
    Buffer.from(octets.toString('latin1').replaceAll(from, to), 'latin1');

  /** Changes what is inside blobs, keeping its length. */
  const challenged = (from: string, to: string) => (octets: Buffer) =>
    Buffer.from(
      octets.toString('latin1').replace(/<blob>([^<]*)<\/blob>/, (whole, text: string) => {
        const changed = Buffer.from(text, 'base64').toString().replace(from, to);
        return whole.replace(text, Buffer.from(changed).toString('base64'));
      }),
      'latin1',
    );

  it('REQ-TLS-011 sends nothing more when TLS is removed from the greeting', async () => {
    const { interceptor, example } = await mesh({ down: replaced('beep/TLS', 'beep/TLX') }, { tls: 'require' });
    await refused(example, 'TLS_REQUIRED');
    expect(interceptor.fromClients).to.not.match(/<start|<blob|imxp=mesh/);
  });

  it('REQ-TLS-011 sends nothing more when ready is answered with an error', async () => {
    const error = "Content-Type: application/beep+xml\r\n\r\n<error code='454'>later</error>\r\n";
    const down = (octets: Buffer): Buffer => {
      const text = octets.toString('latin1');
      const [, seqno] = /RPY 0 1 \. (\d+) \d+\r\n[\s\S]*<proceed/.exec(text) ?? [];
      return seqno === undefined ? octets : Buffer.from(`ERR 0 1 . ${seqno} ${error.length}\r\n${error}END\r\n`);
    };
    const { interceptor, example } = await mesh({ down }, { tls: 'require' });
    await refused(example, 'TLS_REFUSED');
    expect(interceptor.fromClients)
      .to.match(/<ready/)
      .and.to.not.match(/<blob|imxp=mesh/);
  });

  it('REQ-TLS-011 sends neither password nor name from an endpoint that requires TLS', async () => {
    const { rubble } = await mesh({}, { tls: 'off' });
    const interceptor = await between(rubble, { down: replaced('beep/TLS', 'beep/TLX') });
    const options = { address: BARNEY, relay: interceptor.url, password: PASSWORD, ca: authority.certificate };
    expect(await failureOf(Endpoint.connect(options))).to.have.property('code', 'TLS_REQUIRED');
    expect(interceptor.fromClients).to.not.match(/<start|barney/);
  });

  it('REQ-SASL-033 does not take a weaker mechanism when the required one is removed from the greeting', async () => {
    const route: Partial<Route> = { tls: 'off', credentials: { mechanisms: ['SCRAM-SHA-256'] } };
    const { interceptor, example } = await mesh({ down: replaced('SCRAM-SHA-256', 'SCRAM-SHA-999') }, route);
    await refused(example, 'SASL_NO_MECHANISM');
    expect(interceptor.fromClients).to.not.match(/<start|<blob|imxp=mesh/);
  });

  it('REQ-SASL-033 sends no response when the required protection is removed from the challenge', async () => {
    const route: Partial<Route> = { tls: 'off', credentials: { mechanisms: ['DIGEST-MD5'], qops: ['auth-conf'] } };
    const { interceptor, example } = await mesh({ down: challenged('auth-conf', 'auth-cxxf') }, route, { qops: true });
    await refused(example, 'SASL');
    expect(interceptor.fromClients).to.match(/status='abort'/);
    const blobs = [...interceptor.fromClients.matchAll(/<blob>([^<]+)</g)].map(([, text = '']) =>
      Buffer.from(text, 'base64'),
    );
    expect(Buffer.concat(blobs).toString()).to.not.match(/response=/);
  });

  it('REQ-SASL-006 lets an interceptor carry Data under a security layer without reading them', async () => {
    const route: Partial<Route> = { tls: 'off', credentials: { mechanisms: ['DIGEST-MD5'], qops: ['auth-conf'] } };
    const { interceptor, rubble, example } = await mesh({}, route, { qops: true });
    const barney = await attached(BARNEY, rubble);
    const fred = await attached(FRED, example);
    const sent = fred.send({ to: BARNEY, content: TEXT });
    for await (const delivery of barney) {
      expect(delivery.text()).to.equal(TEXT);
      break;
    }
    await sent;
    expect(interceptor.fromClients).to.match(/<blob/).and.to.not.contain(TEXT).and.to.not.contain('<bind');
  });

  it('does not fall back to the TLS of the year 2000 when both sides could do better and newer handshakes are cut', async () => {
    const cut = (octets: Buffer, connection: number): boolean => connection < 3 && octets[0] === 22 && octets[1] === 3;
    const { interceptor, example } = await mesh({ cut }, { tls: 'require' }, { legacy: true });
    await refused(example, 'TLS_FAILED');
    expect(ends.join()).to.match(/fell back to an old version/);
    expect(tuned).to.deep.equal([]);
    expect(interceptor.fromClients).to.not.match(/<blob|imxp=mesh/);
  });
});
