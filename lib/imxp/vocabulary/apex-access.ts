/**
 * Documents of the access service in the form of APEX (RFC 3341 §3, §4): reads them against their DTD and writes them.
 * Each owner and actor has one `access`.
 */
import type { XmlElement } from '../../xml/parse.js';
import { escapeAttribute } from '../../xml/write.js';
import { type Address, addressOf } from '../address.js';
import { checkAttributes, checkEmpty, childrenOf, invalid, required, transIdOf } from '../dialect/document.js';
import { actionsOf } from './access.js';
import { type ActorPattern, parseApexActor, writeActor } from './actor.js';
import { nameFrom, nameIn } from './form.js';
import { formatTimestamp, timestampOf } from './timestamp.js';

/** The operation `none`, which says that an actor may do nothing. */
const NOTHING = 'all:none';

/** Whether an actor may do all of these things. */
export interface ApexQuery {
  readonly type: 'query';
  readonly owner: string;
  /** An endpoint, never a pattern (RFC 3341 §4.2). */
  readonly actor: Address;
  /** At least one. */
  readonly actions: readonly string[];
  readonly transID: number;
}

export interface ApexGet {
  readonly type: 'get';
  readonly owner: string;
  readonly actor: ActorPattern;
  readonly transID: number;
}

/** From a consumer: the request. From the service: the present entry, or that there is none any more. */
export interface ApexSet {
  readonly type: 'set';
  readonly transID: number;
  readonly access: ApexAccess;
}

/** `access`: what one actor may do to an owner. */
export interface ApexAccess {
  readonly owner: string;
  readonly actor: ActorPattern;
  /** Undefined to delete the entry; an empty list is `all:none`. */
  readonly actions: readonly string[] | undefined;
  /** Milliseconds since 1970, at whole seconds; undefined for an entry that does not exist yet. */
  readonly lastUpdate: number | undefined;
}

/** The answers to query. */
export interface ApexVerdict {
  readonly type: 'allow' | 'deny';
  readonly transID: number;
}

export type ApexAccessRequest = ApexQuery | ApexGet | ApexSet;
export type ApexAccessOperation = ApexAccessRequest | ApexVerdict;

/** Whether an element is in the form of APEX; elements of both forms are told apart by their attributes. */
export function isApexAccess(element: XmlElement): boolean {
  const { name, attributes } = element;
  if (name === 'get') return attributes.has('actor');
  if (name === 'set') return !attributes.has('owner');
  return name === 'query' || name === 'allow' || name === 'deny';
}

/**
 * @returns undefined for an element that is no operation of this service
 * @throws RemoteProtocolError XML_INVALID, reply 501
 */
export function readApexAccess(element: XmlElement): ApexAccessOperation | undefined {
  switch (element.name) {
    case 'query':
      return readQuery(element);
    case 'get':
      checkAttributes(element, ['owner', 'actor', 'transID']);
      checkEmpty(element);
      return { type: 'get', owner: ownerOf(element), actor: actorOf(element), transID: transIdOf(element) };
    case 'set':
      return readSet(element);
    case 'allow':
    case 'deny':
      checkAttributes(element, ['transID']);
      checkEmpty(element);
      return { type: element.name, transID: transIdOf(element) };
    default:
      return undefined;
  }
}

function readQuery(element: XmlElement): ApexQuery {
  checkAttributes(element, ['owner', 'actor', 'actions', 'transID']);
  checkEmpty(element);
  // RFC 3341 §3: no wildcards and no escapes here.
  const actor = addressOf(nameFrom(required(element, 'actor'), 'apex'));
  if (actor === undefined) throw invalid('element query: attribute actor must be local@domain');
  const actions = actionsOf(element);
  if (actions.length === 0) throw invalid('element query: attribute actions must name at least one action');
  return { type: 'query', owner: ownerOf(element), actor, actions, transID: transIdOf(element) };
}

function readSet(element: XmlElement): ApexSet {
  checkAttributes(element, ['transID']);
  const [access, ...others] = childrenOf(element);
  if (access?.name !== 'access' || others.length > 0) throw invalid('element set: exactly one access is needed in it');
  return { type: 'set', transID: transIdOf(element), access: readAccess(access) };
}

function readAccess(element: XmlElement): ApexAccess {
  checkAttributes(element, ['owner', 'actor', 'actions', 'lastUpdate']);
  checkEmpty(element);
  const { attributes } = element;
  return {
    owner: ownerOf(element),
    actor: actorOf(element),
    actions: attributes.has('actions') ? actionsOf(element).filter((action) => action !== NOTHING) : undefined,
    lastUpdate: attributes.has('lastUpdate') ? timestampOf(element, 'lastUpdate') : undefined,
  };
}

function ownerOf(element: XmlElement): string {
  return nameFrom(required(element, 'owner'), 'apex');
}

function actorOf(element: XmlElement): ActorPattern {
  const actor = parseApexActor(required(element, 'actor'));
  if (actor !== undefined) return actor;
  throw invalid(
    `element ${element.name}: attribute actor must be local@domain, where *, name/*, apex=* and *.domain are wildcards and \\* is a star`,
  );
}

/**
 * Writes the element, without white space between elements.
 *
 * @throws LocalError ARGUMENT for text that XML cannot represent
 */
export function writeApexAccess(operation: ApexAccessOperation): string {
  const { type, transID } = operation;
  switch (type) {
    case 'query': {
      const { owner, actor, actions } = operation;
      return `<query${attributes({ owner: said(owner), actor: said(actor.key), actions: actions.join(' '), transID })} />`;
    }
    case 'get': {
      const { owner, actor } = operation;
      return `<get${attributes({ owner: said(owner), actor: writeActor(actor, 'apex'), transID })} />`;
    }
    case 'set':
      return `<set transID='${transID}'>${writeAccess(operation.access)}</set>`;
    default:
      return `<${type} transID='${transID}' />`;
  }
}

function writeAccess({ owner, actor, actions, lastUpdate }: ApexAccess): string {
  const written = attributes({
    owner: said(owner),
    actor: writeActor(actor, 'apex'),
    actions: actions?.length === 0 ? NOTHING : actions?.join(' '),
    lastUpdate: lastUpdate === undefined ? undefined : formatTimestamp(lastUpdate, 'apex'),
  });
  return `<access${written} />`;
}

function said(name: string): string {
  return nameIn(name, 'apex');
}

function attributes(values: Readonly<Record<string, string | number | undefined>>): string {
  const written = Object.entries(values).filter(([, value]) => value !== undefined);
  return written.map(([name, value]) => ` ${name}='${escapeAttribute(String(value))}'`).join('');
}
