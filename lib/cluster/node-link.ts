/**
 * What leads to another node of the domain: a link for each dialect, so that a Data operation goes on in the one it came
 * in. Each link has lanes of its own, so that a slow recipient there delays nobody else.
 */
import type { Reply } from '../errors.js';
import { addressOf } from '../imxp/address.js';
import { isCommon } from '../imxp/dialect/apex-name.js';
import type { Dialect } from '../imxp/dialect/dialect.js';
import { Link } from '../mesh/link.js';
import { type LinkLimits, LinkTarget } from '../mesh/link-target.js';
import type { LinkStatus } from '../ops/status.js';
import { type Application, TAKEN_OVER } from '../relay/cluster.js';
import type { Relay } from '../relay/relay.js';
import type { AnswerListener, DeliverySink, OutboundDelivery } from '../relay/target.js';
import { dialNode, type NodeSessionOptions } from './node-socket.js';

/** What all links of a node to others have in common. */
export interface NodeLinkOptions extends NodeSessionOptions {
  /** The preferred first. */
  readonly dialects: readonly Dialect[];
  /** Takes what the other node sends on these sessions. */
  readonly relay: () => Relay;
}

interface DialectLink {
  readonly dialect: Dialect;
  readonly link: Link;
  readonly target: LinkTarget;
}

export class NodeLink implements Application {
  readonly name: string;
  readonly #links: readonly DialectLink[];
  #forwarded = 0;

  /** @param path the socket of the other node */
  constructor(name: string, path: string, options: NodeLinkOptions) {
    this.name = name;
    this.#links = options.dialects.map((dialect) => linkTo(name, path, dialect, options));
  }

  /** Data operations sent there since the start. */
  get forwarded(): number {
    return this.#forwarded;
  }

  get status(): readonly LinkStatus[] {
    return this.#links.map(({ link: { state }, target: { outstanding, waiting } }) => {
      return { name: this.name, state, outstanding, waiting };
    });
  }

  deliver(delivery: OutboundDelivery, sink: DeliverySink): void {
    this.send(delivery, sink, undefined);
  }

  send(delivery: OutboundDelivery, sink: DeliverySink, user: AnswerListener | undefined): void {
    this.#forwarded += 1;
    this.#targetFor(delivery).deliver(delivery, new NodeAnswer(sink, user));
  }

  /** The node there takes care of its own applications. */
  yield(): void {}

  async close(limitMs?: number): Promise<void> {
    await Promise.all(this.#links.map(({ link }) => link.close(limitMs)));
  }

  #targetFor({ data }: OutboundDelivery): LinkTarget {
    const [first] = this.#links;
    if (first === undefined) throw new Error('a node speaks at least one dialect');
    if (data.source !== undefined) {
      return (this.#links.find(({ dialect }) => dialect.profile === data.source?.profile) ?? first).target;
    }
    // Made here: one of the dialects has names beyond those of the other.
    const names = [data.originator, ...data.recipients.map(({ identity }) => identity)].map(addressOf);
    if (names.every((name) => name === undefined || isCommon(name))) return first.target;
    const apexNames = names.some((name) => name?.apexOnly === true);
    return (this.#links.find(({ dialect }) => dialect.apexNames === apexNames) ?? first).target;
  }
}

function linkTo(name: string, path: string, dialect: Dialect, options: NodeLinkOptions): DialectLink {
  const { limits, relay, domain } = options;
  const link: Link = new Link({
    name,
    connect: () => dialNode(path, name, link, options),
    dialects: () => [dialect],
    domains: [domain],
    lanes: limits.link.lanes,
    maximumLanes: limits.link.maximumLanes,
    dataWaitMs: limits.data.deliveryTimeoutMs,
    insist: false,
    accept: (channel) => relay().accept(channel),
    bound: () => {},
    up: (lanes) => target.up(lanes),
    opened: (lane) => target.opened(lane),
    down: (obstacle) => target.down(obstacle),
  });
  const target = new LinkTarget(link, [dialect], linkLimits(options), domain);
  return { dialect, link, target };
}

function linkLimits({ limits }: NodeLinkOptions): LinkLimits {
  return { ...limits.data, maximumLanes: limits.link.maximumLanes };
}

/** The answer of another node to one Data operation. */
class NodeAnswer implements DeliverySink {
  readonly #sink: DeliverySink;
  readonly #user: AnswerListener | undefined;

  constructor(sink: DeliverySink, user: AnswerListener | undefined) {
    this.#sink = sink;
    this.#user = user;
  }

  delivered(later?: boolean): void {
    this.#user?.answered(true);
    this.#sink.delivered(later);
  }

  failed(reply: Reply): void {
    // It may also be held by the center to which the other node has passed it on.
    if (reply.code === TAKEN_OVER.code) {
      this.delivered(true);
      return;
    }
    this.#user?.answered(false);
    this.#sink.failed(reply);
  }
}
