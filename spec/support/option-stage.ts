/**
 * A relay for example.com that supports the options of RFC 3342, with a clock advanced by the spec and with access to
 * the neighbour's messages and the reports. The documents are real XML, because the options contain XML.
 */
import { imxpDialect } from '../../lib/imxp/dialect/imxp.js';
import type { Data, Option } from '../../lib/imxp/operation.js';
import { newTransId } from '../../lib/imxp/trans-id.js';
import type { RelayOptions } from '../../lib/relay/context.js';
import type { OfflineLimits } from '../../lib/relay/offline/queues.js';
import type { Spool } from '../../lib/relay/offline/spool.js';
import { type OptionPolicy, registeredOptions } from '../../lib/relay/registered.js';
import type { Relay } from '../../lib/relay/relay.js';
import type { Reporter, StatusReport } from '../../lib/relay/status.js';
import { MemorySpool } from '../../lib/store/spool.js';
import { accepted, FakeChannel, FakeTarget, makeRelay } from './fake-channel.js';
import { option, data as plainData, type To } from './fake-dialect.js';
import { FakeTime } from './fake-time.js';

export const FRED = 'fred@example.com';
export const BARNEY = 'barney@example.com';
export const WILMA = 'wilma@example.com';
export const BETTY = 'betty@rubble.com';
export const BAMBAM = 'bambam@rubble.com';

const DIALECT = imxpDialect();
const PROOF = { mechanism: 'DIGEST-MD5', privacy: true };

/** A Data whose content real documents can carry. */
export const data = (originator: string, to: readonly To[], options: readonly Option[] = []): Data =>
  plainData(originator, to, options, 'Note');

export class Reports implements Reporter {
  readonly all: StatusReport[] = [];

  report(report: StatusReport): void {
    this.all.push(report);
  }

  /** `domain transID: recipient code, …` for each report. */
  get said(): string[] {
    return this.all.map(({ domain, transID, destinations }) => {
      const outcomes = destinations.map(({ identity, reply }) => `${identity} ${reply?.code ?? 250}`);
      return `${domain} ${transID}: ${outcomes.join(', ')}`;
    });
  }
}

export const HOLD_LIMITS: OfflineLimits = {
  messages: 100,
  octets: 1e6,
  totalOctets: 1e7,
  octetsPerSender: 1e7,
  octetsPerDomain: 1e7,
  ageMs: 1e8,
};

const POLICY: OptionPolicy = { statusRequest: 'on', dataTiming: 'on', hold4Endpoint: 'on', attachOverride: 'on' };

export interface StageOptions {
  readonly policy?: Partial<OptionPolicy>;
  readonly hopLimit?: number;
  readonly spool?: Spool;
  readonly limits?: Partial<OfflineLimits>;
  readonly time?: FakeTime;
  readonly relay?: Partial<RelayOptions>;
}

export class Stage {
  readonly time: FakeTime;
  readonly reports = new Reports();
  readonly rubble = new FakeTarget('rubble.com');
  readonly spool: Spool;
  readonly relay: Relay;

  constructor({
    policy = {},
    hopLimit = 0,
    spool = new MemorySpool(),
    limits = {},
    time,
    relay = {},
  }: StageOptions = {}) {
    this.time = time ?? new FakeTime();
    this.spool = spool;
    const chosen = { ...POLICY, ...policy };
    this.relay = makeRelay({
      dialects: [DIALECT],
      understood: registeredOptions(chosen),
      hopLimit,
      time: this.time,
      reporter: this.reports,
      timedHoldsOnly: chosen.hold4Endpoint === 'timed',
      offline: { spool, limits: { ...HOLD_LIMITS, ...limits }, secret: Buffer.alloc(32) },
      dialer: { toward: (domain) => (domain === 'rubble.com' ? this.rubble : { code: 550, text: 'no relay' }) },
      ...relay,
    });
  }

  /** A channel of an application that authenticated as an address, not attached. */
  endpoint(address: string): FakeChannel {
    const identity = { kind: 'endpoint', address, proof: PROOF } as const;
    return accepted(this.relay, new FakeChannel(identity, { privacy: true, dialect: DIALECT }));
  }

  attached(address: string, options: readonly Option[] = []): FakeChannel {
    const channel = this.endpoint(address);
    const code = channel.ask({ type: 'attach', endpoint: address, transID: 1, options });
    if (code !== 0) throw new Error(`${address} could not attach: ${code}`);
    return channel;
  }

  /** A relay that passes on Data of its domain. */
  neighbour(domain: string): FakeChannel {
    const identity = { kind: 'relay', domains: [domain], proof: PROOF } as const;
    return accepted(this.relay, new FakeChannel(identity, { privacy: true, dialect: DIALECT }));
  }

  /** The options of the Data that went to rubble.com, as they would be on the wire. */
  onward(at = 0): readonly Option[] {
    const sent = this.rubble.deliveries[at];
    if (sent === undefined) throw new Error(`nothing went to rubble.com (${at})`);
    const payload = sent.delivery.payload(DIALECT.profile);
    const operation = DIALECT.decode(Buffer.isBuffer(payload) ? payload : Buffer.concat(payload));
    if (operation.type !== 'data') throw new Error(`${operation.type} went to rubble.com`);
    return [...operation.options, ...operation.recipients.flatMap((recipient) => recipient.options)];
  }
}

type Fields = Partial<Pick<Option, 'targetHop' | 'seeNoEvil' | 'transID'>>;

function registered(internal: string, xml: string, fields: Fields): Option {
  return option({ internal, transID: newTransId(), inner: Buffer.from(xml), ...fields });
}

/** As an originator must send it: for all hops, and to be understood (REQ-IMXP-059). */
const EVERYWHERE = { targetHop: 'all', seeNoEvil: false } as const;

export const timing = (attributes: string, fields: Fields = {}): Option =>
  registered('dataTiming', `<dataTiming ${attributes} />`, { ...EVERYWHERE, transID: 7, ...fields });

export const hopping = (attributes: string, fields: Fields = {}): Option =>
  registered('dataHopping', `<dataHopping ${attributes} />`, { ...EVERYWHERE, transID: 8, ...fields });

export const hold = (fields: Fields = {}): Option => registered('hold4Endpoint', '', fields);
export const override = (): Option => registered('attachOverride', '', {});
