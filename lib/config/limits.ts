/**
 * Every limit of a node: its name (with the unit), its default and the reason for it. Knows nothing of who enforces them.
 * A limit of 0 is only accepted where the reason says what 0 means.
 */
import * as z from 'zod';

/** setTimeout fires at once for anything above this. */
const LONGEST_MS = 2_147_483_647;
/** BEEP windows and message numbers end here (RFC 3080 §2.2.1, RFC 3081 §3.1.4). */
const LARGEST_INT31 = 2_147_483_647;

const count = (value: number, reason: string, least = 1, most = LARGEST_INT31) =>
  z.int().min(least).max(most).default(value).describe(reason);
const ms = (value: number, reason: string, least = 1) => count(value, reason, least, LONGEST_MS);

export const limitsSchema = z.strictObject({
  greetingTimeoutMs: ms(60_000, 'a peer that has not sent its greeting by then is gone or hostile'),
  tuningTimeoutMs: ms(30_000, 'one TLS negotiation or one SASL exchange; slow links need a few round trips'),
  closeTimeoutMs: ms(10_000, 'how long the answer to a close is awaited before the connection is cut'),
  connectTimeoutMs: ms(10_000, 'one TCP connection attempt; the next alternative is tried after it'),
  deliveryTimeoutMs: ms(
    30_000,
    'how long the answer of a next hop or application is awaited; past it the recipient fails with 451',
  ),
  drainTimeoutMs: ms(
    8000,
    'how long stopping may take after SIGTERM: three quarters for outstanding Data, the rest for releasing sessions; container managers kill after 10 s',
  ),
  idleTimeoutMs: ms(
    0,
    'a session without traffic is closed after it; 0 keeps it, because attached endpoints wait for days',
    0,
  ),
  messageOctets: count(
    67_108_864,
    'largest payload of an authenticated peer: 64 MiB holds any mail-like content',
    4096,
  ),
  unauthenticatedMessageOctets: count(65_536, 'strangers only negotiate, which takes a few hundred octets', 4096),
  unfinishedOctets: count(
    268_435_456,
    'what all sessions together hold of messages that are not complete: four of messageOctets; past it a session of the account that holds most ends',
    4096,
  ),
  windowOctets: count(
    1_048_576,
    'advertised window of a channel: 4096 octets would cap it at 200 KiB/s at 20 ms round trip',
    4096,
  ),
  channels: count(1024, 'open channels of one session; each costs a window'),
  stalledTimeoutMs: ms(
    90_000,
    'a peer that leaves a Data unanswered or does not read for so long is cut off: three times deliveryTimeoutMs; 0 never',
    0,
  ),
  messageTimeoutMs: ms(
    60_000,
    'how long a message that has begun may stay incomplete while less than messageOctetsPerSecond comes; 0 for ever',
    0,
  ),
  messageOctetsPerSecond: count(
    256,
    'slower writers of a message are cut off after messageTimeoutMs: a tenth of what a modem of 2000 could do',
  ),
  sessions: count(100_000, 'open sessions of the node; about what 2 GiB of memory hold when idle'),
  sessionsPerAddress: count(10_000, 'open sessions from one address; many endpoints share one behind a translator'),
  unauthenticatedSessions: count(1000, 'sessions of strangers at one time, so that they cannot use up all sessions'),
  unauthenticatedPerAddress: count(
    500,
    'sessions of strangers from one address; past it the oldest of that address goes, never that of another',
  ),
  unauthenticatedLifetimeMs: ms(60_000, 'a stranger has to have authenticated or attached by then'),
  unauthenticatedOctets: count(
    262_144,
    'what a stranger may send in all, TLS handshake not counted: logging in takes a few thousand octets',
    4096,
  ),
  unauthenticatedChannels: count(
    8,
    'channels a stranger may have open: one at a time for TLS and SASL, and one to use',
  ),
  handshakes: count(
    256,
    'TLS handshakes in progress, half of them from one address; past it the oldest goes. One holds some 50 KiB',
    2,
  ),
  authenticationDelayMs: ms(250, 'how late the first failed authentication is answered; doubles with each failure', 0),
  authenticationDelayMaximumMs: ms(5000, 'how late a failed authentication is answered at most', 0),
  authenticationFailuresPerAddress: count(
    50,
    'failures from one address that close it for a while: several people behind one translator mistype; 0 never',
    0,
  ),
  authenticationFailuresPerAccount: count(
    10,
    'failures for one account from one network (/24, /48) that close the account to this network; 0 never',
    0,
  ),
  authenticationBanMs: ms(600_000, 'how long a ban lasts, and in what time all failures short of it are forgiven'),
  dataPerSecond: count(
    0,
    'Data an endpoint may send for long; 0 does not limit it: outstandingData already bounds what it can occupy',
    0,
  ),
  dataBurst: count(10_000, 'Data an endpoint may send at once after a quiet time, where dataPerSecond is set'),
  relayDataPerSecond: count(0, 'the same for a relay, which sends for many endpoints; 0 does not limit it', 0),
  relayDataBurst: count(100_000, 'the same as dataBurst for a relay'),
  dataOctetsPerSecond: count(
    0,
    'octets of Data an endpoint may send for long; 0 does not limit it; imxp account quota has other values for single ones',
    0,
  ),
  dataOctetsBurst: count(67_108_864, 'octets of Data an endpoint may send at once, where dataOctetsPerSecond is set'),
  attachPerSecond: count(100, 'attach and bind of one identity for long; 0 does not limit them', 0),
  attachBurst: count(10_000, 'attach and bind of one identity at once: a gateway attaches all its endpoints anew'),
  startPerSecond: count(100, 'channels one identity may start for long, on all its sessions; 0 does not limit them', 0),
  startBurst: count(10_000, 'channels one identity may start at once'),
  attachmentsPerSession: count(1024, 'endpoints attached on one session; gateways attach many'),
  attachmentsPerAccount: count(
    1024,
    'applications attached at a time as one endpoint and its subaddresses, whatever sessions they are on; 0 for any number',
    0,
  ),
  recipients: count(1000, 'recipients of one Data; each may become a forward of its own'),
  outstandingData: count(4096, 'unanswered Data per target; past it a Data is refused with 450, never queued'),
  outstandingOctets: count(
    16_777_216,
    'octets of unanswered Data per target; past it a Data is refused with 450',
    4096,
  ),
  xmlDepth: count(64, 'nesting of elements; the vocabulary needs 5, options may carry more'),
  xmlAttributes: count(64, 'attributes of one element; the vocabulary needs 6'),
  xmlElements: count(10_000, 'elements of one document; 1000 recipients with options need about 3000'),
  controlOctets: count(1_048_576, 'largest control document, apart from the content', 4096),
  links: count(
    4096,
    'links to neighbours found by DNS; past it an idle one makes room, or a new neighbour has to wait',
  ),
  linkIdleTimeoutMs: ms(
    300_000,
    'a link found by DNS without Data for so long is closed; the next Data makes it again',
  ),
  linkReturnMs: ms(
    300_000,
    'how long a link stays with a relay that is second choice until the preferred ones are tried, more or less by chance; it moves when nothing is under way; 0 stays until it is lost',
    0,
  ),
  candidates: count(8, 'relays of a domain tried, by their SRV records; RFC 3861 asks for two at least', 2, 64),
  dnsTimeoutMs: ms(1500, 'how long a name server may take before the next is asked'),
  dnsEntries: count(10_000, 'answers of the DNS remembered, each for as long as it holds', 16),
  presenceOperations: count(
    1_000_000,
    'subscriptions and watches in progress, all together: each costs about 2 KiB, pages of the store included',
  ),
  presenceOperationsPerEndpoint: count(10_000, 'subscriptions and watches of one endpoint; gateways have many'),
  presenceOctets: count(65_536, 'largest presence entry: it is sent to each subscriber', 1024),
  presenceOutstanding: count(
    1024,
    'unanswered publish and notify of the presence service; below outstandingData, so that none is refused as too many',
  ),
  heldData: count(20_000, 'Data held for one endpoint that is not attached; past it the sender is told 450'),
  heldOctets: count(67_108_864, 'octets of them, 512 added for each', 4096),
  heldOctetsTotal: count(
    1_073_741_824,
    'octets held for all endpoints together: what an operator can spare on disk; small messages take a fifth of it in memory',
    4096,
  ),
  heldAgeMs: ms(604_800_000, 'how long a Data is held at most: a week, as a mail server tries for some days'),
  greetingHoldMs: ms(
    300,
    'how long a listener for all transports waits before it greets: in TLS and HTTP the client speaks first',
  ),
  upgradeTimeoutMs: ms(
    10_000,
    'TLS and the HTTP request of a WebSocket, from the connection on; about three round trips',
  ),
  upgradeOctets: count(16_384, 'the head of an HTTP request; cookies of browsers have a few thousand octets', 1024),
  webSocketMessageOctets: count(
    2_097_152,
    'one WebSocket message, held until it is complete: a BEEP frame as large as windowOctets fits',
    65_536,
  ),
  webSocketPingMs: ms(
    30_000,
    'how often a WebSocket peer is pinged, and dropped when it has not answered by then; proxies cut off after 60 s; 0 never',
    0,
  ),
  lanes: count(4, 'channels of a link between relays: a slow recipient delays only those who share its lane', 1, 64),
});

export type Limits = Readonly<z.output<typeof limitsSchema>>;
export type LimitName = keyof Limits;

/** The limits of a node that configures none. */
export const DEFAULT_LIMITS: Limits = Object.freeze(limitsSchema.parse({}));
