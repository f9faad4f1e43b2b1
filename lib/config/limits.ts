/**
 * Limits of a node, in groups: the name of each (with its unit), its default and the reason for the default. Who enforces
 * a limit is not decided here. A limit of 0 is accepted only where its description says what 0 means.
 */
/** setTimeout fires at once for anything above this. */
const LONGEST_MS = 2_147_483_647;
/** BEEP windows and message numbers end here (RFC 3080 §2.2.1, RFC 3081 §3.1.4). */
const LARGEST_INT31 = 2_147_483_647;

/** A whole number between `least` and `most`. */
export interface Limit {
  readonly value: number;
  readonly reason: string;
  readonly least: number;
  readonly most: number;
}

const count = (value: number, reason: string, least = 1, most = LARGEST_INT31): Limit => ({
  value,
  reason,
  least,
  most,
});
const ms = (value: number, reason: string, least = 1): Limit => count(value, reason, least, LONGEST_MS);

const node = {
  sessions: count(100_000, 'open sessions of the whole node; idle ones of this number occupy about 2 GiB of memory'),
  sessionsPerAddress: count(
    10_000,
    'open sessions from one IP address; many endpoints can share an address behind a NAT',
  ),
  loginsPerSecond: count(
    1000,
    'sustained rate of new sessions; further ones are refused with 421, so that clients come back later, and fewer are taken while the event loop is late. 0 removes the limit. After a restart all endpoints return at once, and a login takes about a millisecond',
    0,
  ),
  loginBurst: count(
    10_000,
    'new sessions at once after a quiet period; one IP address gets at most as many as it leaves for others',
  ),
  handshakes: count(
    256,
    'TLS handshakes in progress, of which one address may have half; beyond the limit the oldest is dropped. A handshake occupies about 50 KiB',
    2,
  ),
  unfinishedOctets: count(
    268_435_456,
    'octets of incomplete messages that all sessions together may occupy: four times session.messageOctets; beyond it the account that occupies most loses a session',
    4096,
  ),
  drainTimeoutMs: ms(
    8000,
    'longest time to stop after SIGTERM: three quarters for outstanding Data operations, the rest for releasing sessions; container managers kill after 10 s',
  ),
} as const;

const session = {
  connectTimeoutMs: ms(10_000, 'time for one TCP connection attempt, after which the next address or relay is tried'),
  greetingTimeoutMs: ms(
    60_000,
    "time for the peer's greeting to arrive; a peer that needs longer has gone or is hostile",
  ),
  tuningTimeoutMs: ms(
    30_000,
    'time for one TLS negotiation, one SASL exchange, or the answer to the start of a channel; slow links need several round trips',
  ),
  closeTimeoutMs: ms(10_000, 'time for the peer to answer a close, after which the connection is cut'),
  idleTimeoutMs: ms(
    0,
    'time without traffic after which a session is closed; 0 keeps it open, because attached endpoints may wait for days',
    0,
  ),
  stalledTimeoutMs: ms(
    90_000,
    'time that a peer may leave a Data operation unanswered or may not read before it is disconnected: three times data.deliveryTimeoutMs; 0 disables the check',
    0,
  ),
  messageTimeoutMs: ms(
    60_000,
    'time that a message may stay incomplete while it arrives more slowly than messageOctetsPerSecond; 0 disables the check',
    0,
  ),
  messageOctetsPerSecond: count(
    256,
    'lowest rate of an incomplete message; a slower sender is disconnected after messageTimeoutMs. A modem of the year 2000 is ten times faster',
  ),
  messageOctets: count(
    67_108_864,
    'largest payload from an authenticated peer; 64 MiB is enough for any content of the size of mail',
    4096,
  ),
  windowOctets: count(
    1_048_576,
    'window advertised for each channel; the BEEP default of 4096 octets allows only 200 KiB/s at a round trip of 20 ms',
    4096,
  ),
  channels: count(1024, 'open channels of one session; each occupies a window'),
} as const;

const unauthenticated = {
  sessions: count(1000, 'open sessions of unauthenticated peers, so that they cannot use up all of node.sessions'),
  sessionsPerAddress: count(
    500,
    'unauthenticated sessions from one IP address; beyond it the oldest of the same address is closed, never one of another address',
  ),
  lifetimeMs: ms(60_000, 'time within which a peer has to authenticate, attach or bind'),
  octets: count(
    262_144,
    'octets that an unauthenticated peer may send in total, the TLS handshake excluded; logging in takes a few thousand',
    4096,
  ),
  messageOctets: count(
    65_536,
    'largest payload from an unauthenticated peer; negotiating TLS and SASL takes a few hundred octets',
    4096,
  ),
  channels: count(
    8,
    'open channels of an unauthenticated peer, which needs one at a time for TLS and SASL, and one to use',
  ),
} as const;

const anonymous = {
  sessions: count(256, 'open sessions of anonymous peers, which nobody vouches for'),
  sessionsPerAddress: count(
    8,
    'anonymous sessions from one IP address; beyond it the oldest of the same address is closed',
  ),
  dataPerSecond: count(1, 'Data operations per second of all anonymous peers of one IP address'),
  dataBurst: count(20, 'Data operations of them at once'),
  dataOctetsPerSecond: count(4096, 'octets of their Data operations per second'),
  dataOctetsBurst: count(65_536, 'octets of their Data operations at once', 4096),
} as const;

const authentication = {
  delayMs: ms(250, 'delay of the answer to the first failed authentication; each further failure doubles it', 0),
  maximumDelayMs: ms(5000, 'longest delay of the answer to a failed authentication', 0),
  failuresPerAddress: count(
    50,
    'failures from one IP address after which it is banned; several people behind one NAT mistype; 0 never bans',
    0,
  ),
  failuresPerAccount: count(
    10,
    'failures for one account from one network (/24 or /48) after which that network is banned from the account; 0 never bans',
    0,
  ),
  banMs: ms(600_000, 'duration of a ban, and the time after which fewer failures are forgiven'),
} as const;

const data = {
  recipients: count(1000, 'recipients of one Data operation, each of which may need a forward of its own'),
  outstanding: count(4096, 'unanswered Data operations per target; further ones are refused with 450 and never queued'),
  outstandingOctets: count(
    16_777_216,
    'octets of unanswered Data operations per target; further ones are refused with 450',
    4096,
  ),
  deliveryTimeoutMs: ms(
    30_000,
    'time for a next hop or an application to answer, after which the recipient fails with 451',
  ),
} as const;

const attachment = {
  perSession: count(1024, 'endpoints attached on one session; gateways attach many'),
  perAccount: count(
    1024,
    'applications attached at the same time as one endpoint and its subaddresses, over all sessions; 0 removes the limit',
    0,
  ),
} as const;

const rate = {
  dataPerSecond: count(
    0,
    'sustained rate of Data operations of an endpoint; 0 removes the limit, because data.outstanding already bounds what an endpoint occupies',
    0,
  ),
  dataBurst: count(
    10_000,
    'Data operations that an endpoint may send at once after a quiet period, if dataPerSecond is set',
  ),
  dataOctetsPerSecond: count(
    0,
    'sustained rate in octets of the Data operations of an endpoint; 0 removes the limit. `imxp account quota` sets other values for single accounts',
    0,
  ),
  dataOctetsBurst: count(
    67_108_864,
    'octets of Data operations that an endpoint may send at once, if dataOctetsPerSecond is set',
  ),
  relayDataPerSecond: count(
    0,
    'dataPerSecond for a relay, which sends on behalf of many endpoints; 0 removes the limit',
    0,
  ),
  relayDataBurst: count(100_000, 'dataBurst for a relay'),
  attachPerSecond: count(100, 'sustained rate of attach and bind operations of one identity; 0 removes the limit', 0),
  attachBurst: count(
    10_000,
    'attach and bind operations of one identity at once; a gateway that reconnects attaches all its endpoints again',
  ),
  startPerSecond: count(
    100,
    'sustained rate at which one identity may start channels, over all its sessions; 0 removes the limit',
    0,
  ),
  startBurst: count(10_000, 'channels that one identity may start at once'),
} as const;

const xml = {
  octets: count(1_048_576, 'largest control document, content excluded', 4096),
  depth: count(64, 'nesting depth of elements; the vocabulary needs 5, and options may nest deeper'),
  attributes: count(64, 'attributes of one element; the vocabulary needs 6'),
  elements: count(10_000, 'elements of one document; 1000 recipients with options need about 3000'),
} as const;

const link = {
  maximum: count(
    4096,
    'links to neighbours found by DNS; beyond it an idle link is closed to make room, or the new neighbour has to wait',
  ),
  lanes: count(
    4,
    'channels that a link between relays begins with; a slow recipient delays only the recipients that share its channel',
    1,
    64,
  ),
  maximumLanes: count(
    32,
    'channels of a link in all: further ones are opened when recipients are slow, or not yet known to be prompt, so that others do not wait for them',
    1,
    512,
  ),
  idleTimeoutMs: ms(
    300_000,
    'time without Data operations after which a link found by DNS is closed; the next Data operation reopens it',
  ),
  returnMs: ms(
    300_000,
    'time after which a link to a less preferred relay tries the preferred ones again, randomized; the link moves when nothing is outstanding on it. 0 keeps the relay until the link is lost',
    0,
  ),
  candidates: count(
    8,
    'relays of one domain that are tried, in the order of its SRV records; RFC 3861 asks for at least two',
    2,
    64,
  ),
} as const;

const dns = {
  timeoutMs: ms(1500, 'time for a name server to answer, after which the next one is asked'),
  entries: count(10_000, 'DNS answers in the cache, each for its time to live', 16),
} as const;

const presence = {
  operations: count(
    1_000_000,
    'subscriptions and watches in progress on the whole node; each occupies about 2 KiB, pages of the store included',
  ),
  operationsPerEndpoint: count(
    10_000,
    'subscriptions and watches of one endpoint, subaddresses included; in no case more than are still free; gateways have many',
  ),
  entryOctets: count(65_536, 'largest presence entry; it is sent to every subscriber', 1024),
  proofOctets: count(
    16_384,
    'signed statement that goes with a subscription, in base64; with a chain of three certificates of 4096 bits it occupies about 9 KiB',
    1024,
  ),
  proofTotalOctets: count(
    67_108_864,
    'signed statements of all subscriptions, in memory and in the store; those of one endpoint, subaddresses included, occupy no more than is still free; beyond it the subscriber receives 450',
    1024,
  ),
  outstanding: count(
    1024,
    'publish and notify operations of the presence service that are on their way; one without an answer after a second does not count; fewer than data.outstanding, so that none is refused',
  ),
  outstandingPerEndpoint: count(
    128,
    'unanswered operations of the presence service to one endpoint, subaddresses included; beyond it only that endpoint waits, and gets the newest state later',
  ),
  requestsPerEndpoint: count(
    1024,
    'requests of one endpoint, subaddresses included, that the presence or the access service has not finished; in no case more than are still free of data.outstanding; beyond it the sender receives 450',
  ),
} as const;

const offline = {
  messages: count(20_000, 'messages held for one endpoint that is not attached; beyond it the sender receives 450'),
  octets: count(67_108_864, 'octets held for one endpoint; each message counts 512 octets in addition', 4096),
  totalOctets: count(
    1_073_741_824,
    'octets held for all endpoints together; small messages occupy a fifth of this on disk in memory as well',
    4096,
  ),
  octetsPerSender: count(
    134_217_728,
    'octets held for all endpoints from one sender, subaddresses included; in no case more than is still free, so that one sender leaves half of totalOctets to others',
    4096,
  ),
  octetsPerDomain: count(
    536_870_912,
    'octets held for all endpoints from all senders of one foreign domain; in no case more than twice what is still free',
    4096,
  ),
  ageMs: ms(604_800_000, 'longest time that a message is held: a week, because mail servers also retry for days'),
} as const;

const websocket = {
  greetingDelayMs: ms(
    300,
    'time that a listener for any transport, or behind a WebSocket, waits for the first octets of the peer before it sends its greeting; in TLS and HTTP the client speaks first, and pages may not listen yet when the WebSocket opens',
  ),
  upgradeTimeoutMs: ms(
    10_000,
    'time from the connection to the end of the TLS handshake and the HTTP request of a WebSocket, which take about three round trips',
  ),
  pageTimeoutMs: ms(
    45_000,
    'time from the last request for a file of the chat page to the end of the connection; slow networks take tens of seconds for its 150 KB. unauthenticated.lifetimeMs applies as well',
  ),
  upgradeOctets: count(16_384, 'header of an HTTP request; browsers send a few thousand octets of cookies', 1024),
  messageOctets: count(
    2_097_152,
    'one WebSocket message, which is kept until it is complete; a BEEP frame as large as session.windowOctets fits',
    65_536,
  ),
  pingMs: ms(
    30_000,
    'interval of WebSocket pings; a peer that has not answered by the next ping is disconnected. Proxies close idle connections after 60 s. 0 disables pings',
    0,
  ),
} as const;

const api = {
  requestsPerSecond: count(100, 'requests per second with one token'),
  requestsBurst: count(200, 'requests with one token at once'),
  wrongPerMinute: count(
    10,
    'requests with a wrong token, or none, from one IP address in a minute that are answered with 401; further ones with 429',
  ),
  bodyOctets: count(4_194_304, 'body of a request; a file in base64 is a third longer', 1024),
  requestTimeoutMs: ms(30_000, 'time for a request to arrive whole'),
  outstanding: count(256, 'requests in progress, of which one token may have half; further ones are answered with 503'),
  streams: count(64, 'open streams of messages and presence, of which one token may have half'),
} as const;

const webhook = {
  timeoutMs: ms(10_000, 'time for one request, until the whole response has arrived'),
  giveUpMs: ms(
    20_000,
    'time in which the target must have taken a message, over all attempts; less than data.deliveryTimeoutMs, so that the sender learns the result',
  ),
  concurrent: count(4, 'requests in progress for one webhook; with 1 messages arrive in their order'),
  waiting: count(256, 'messages that wait behind these, for one webhook; further ones are refused with 450'),
} as const;

/** The groups by name, and what each is about. */
export const LIMIT_GROUPS = {
  node: { about: 'totals of the whole node', limits: node },
  session: { about: 'each session and its channels', limits: session },
  unauthenticated: { about: 'peers that have not authenticated, attached or bound', limits: unauthenticated },
  anonymous: {
    about: 'peers that used SASL ANONYMOUS, whose messages and channels are limited as those of unauthenticated peers',
    limits: anonymous,
  },
  authentication: { about: 'failed logins', limits: authentication },
  data: { about: 'Data operations', limits: data },
  attachment: { about: 'attached endpoints', limits: attachment },
  rate: { about: 'operations per second, for each identity over all its sessions', limits: rate },
  xml: { about: 'control documents', limits: xml },
  link: { about: 'links to other relays', limits: link },
  dns: { about: 'DNS look-ups', limits: dns },
  presence: { about: 'presence service', limits: presence },
  offline: { about: 'messages held for endpoints that are not attached', limits: offline },
  api: { about: 'HTTP API on the admin port', limits: api },
  webhook: { about: 'webhooks', limits: webhook },
  websocket: { about: 'WebSocket, and listeners that take any transport', limits: websocket },
} as const;

type Groups = typeof LIMIT_GROUPS;
export type Limits = {
  readonly [Group in keyof Groups]: { readonly [Name in keyof Groups[Group]['limits']]: number };
};

function defaults(): Limits {
  const groups = Object.entries(LIMIT_GROUPS).map(([group, { limits }]) => {
    const values = Object.entries<Limit>(limits).map(([name, { value }]) => [name, value] as const);
    return [group, Object.freeze(Object.fromEntries(values))] as const;
  });
  return Object.freeze(Object.fromEntries(groups)) as Limits;
}

/** The limits of a node that configures none. */
export const DEFAULT_LIMITS: Limits = defaults();

/** Keys that stood directly in `limits` up to 0.1, with their present place below `limits`. */
export const MOVED_LIMITS: ReadonlyMap<string, string> = new Map([
  ['greetingTimeoutMs', 'session.greetingTimeoutMs'],
  ['tuningTimeoutMs', 'session.tuningTimeoutMs'],
  ['closeTimeoutMs', 'session.closeTimeoutMs'],
  ['connectTimeoutMs', 'session.connectTimeoutMs'],
  ['deliveryTimeoutMs', 'data.deliveryTimeoutMs'],
  ['drainTimeoutMs', 'node.drainTimeoutMs'],
  ['idleTimeoutMs', 'session.idleTimeoutMs'],
  ['messageOctets', 'session.messageOctets'],
  ['unauthenticatedMessageOctets', 'unauthenticated.messageOctets'],
  ['unfinishedOctets', 'node.unfinishedOctets'],
  ['windowOctets', 'session.windowOctets'],
  ['channels', 'session.channels'],
  ['stalledTimeoutMs', 'session.stalledTimeoutMs'],
  ['messageTimeoutMs', 'session.messageTimeoutMs'],
  ['messageOctetsPerSecond', 'session.messageOctetsPerSecond'],
  ['sessions', 'node.sessions'],
  ['sessionsPerAddress', 'node.sessionsPerAddress'],
  ['unauthenticatedSessions', 'unauthenticated.sessions'],
  ['unauthenticatedPerAddress', 'unauthenticated.sessionsPerAddress'],
  ['unauthenticatedLifetimeMs', 'unauthenticated.lifetimeMs'],
  ['unauthenticatedOctets', 'unauthenticated.octets'],
  ['unauthenticatedChannels', 'unauthenticated.channels'],
  ['handshakes', 'node.handshakes'],
  ['authenticationDelayMs', 'authentication.delayMs'],
  ['authenticationDelayMaximumMs', 'authentication.maximumDelayMs'],
  ['authenticationFailuresPerAddress', 'authentication.failuresPerAddress'],
  ['authenticationFailuresPerAccount', 'authentication.failuresPerAccount'],
  ['authenticationBanMs', 'authentication.banMs'],
  ['dataPerSecond', 'rate.dataPerSecond'],
  ['dataBurst', 'rate.dataBurst'],
  ['relayDataPerSecond', 'rate.relayDataPerSecond'],
  ['relayDataBurst', 'rate.relayDataBurst'],
  ['dataOctetsPerSecond', 'rate.dataOctetsPerSecond'],
  ['dataOctetsBurst', 'rate.dataOctetsBurst'],
  ['attachPerSecond', 'rate.attachPerSecond'],
  ['attachBurst', 'rate.attachBurst'],
  ['startPerSecond', 'rate.startPerSecond'],
  ['startBurst', 'rate.startBurst'],
  ['attachmentsPerSession', 'attachment.perSession'],
  ['attachmentsPerAccount', 'attachment.perAccount'],
  ['recipients', 'data.recipients'],
  ['outstandingData', 'data.outstanding'],
  ['outstandingOctets', 'data.outstandingOctets'],
  ['xmlDepth', 'xml.depth'],
  ['xmlAttributes', 'xml.attributes'],
  ['xmlElements', 'xml.elements'],
  ['controlOctets', 'xml.octets'],
  ['links', 'link.maximum'],
  ['linkIdleTimeoutMs', 'link.idleTimeoutMs'],
  ['linkReturnMs', 'link.returnMs'],
  ['candidates', 'link.candidates'],
  ['dnsTimeoutMs', 'dns.timeoutMs'],
  ['dnsEntries', 'dns.entries'],
  ['presenceOperations', 'presence.operations'],
  ['presenceOperationsPerEndpoint', 'presence.operationsPerEndpoint'],
  ['presenceOctets', 'presence.entryOctets'],
  ['presenceOutstanding', 'presence.outstanding'],
  ['heldData', 'offline.messages'],
  ['heldOctets', 'offline.octets'],
  ['heldOctetsTotal', 'offline.totalOctets'],
  ['heldAgeMs', 'offline.ageMs'],
  ['greetingHoldMs', 'websocket.greetingDelayMs'],
  ['upgradeTimeoutMs', 'websocket.upgradeTimeoutMs'],
  ['upgradeOctets', 'websocket.upgradeOctets'],
  ['webSocketMessageOctets', 'websocket.messageOctets'],
  ['webSocketPingMs', 'websocket.pingMs'],
  ['lanes', 'link.lanes'],
]);
