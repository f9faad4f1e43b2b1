/**
 * The documents of the access service (IMXP access §2) as values, read against their DTD and written; and the syntax of
 * actors and actions. Knows nothing of who is granted what.
 */
import type { XmlElement } from '../../xml/parse.js';
import { escapeAttribute } from '../../xml/write.js';
import { addressOf, isDomain } from '../address.js';
import { checkAttributes, checkEmpty, childrenOf, invalid, required, transIdOf } from '../dialect/document.js';
import { formatTimestamp, timestampOf } from './timestamp.js';

/** One `entry`: an actor, or a pattern of actors, and what it may do. */
export interface AccessEntry {
  /** `local@domain`, with `*` or `imxp=*` for the local part and `*` for the domain. */
  readonly actor: string;
  /** `service:operation`; `all` stands for every service or operation. */
  readonly actions: readonly string[];
}

/** `access`: the ordered entries of an owner. */
export interface Access {
  readonly owner: string;
  /** Milliseconds since 1970, at whole seconds. */
  readonly lastUpdate: number;
  /** At least one. */
  readonly entries: readonly AccessEntry[];
}

export interface AccessGet {
  readonly type: 'get';
  readonly owner: string;
  readonly transID: number;
}

/** From a consumer: what is wanted. From the service: the answer to get. */
export interface AccessSet {
  readonly type: 'set';
  readonly owner: string;
  readonly transID: number;
  /** The sender's date and time, milliseconds since 1970. */
  readonly timeStamp: number;
  readonly access: Access;
}

export type AccessOperation = AccessGet | AccessSet;

/** An actor taken apart; `local` is the canonical local part where it is literal. */
export interface ActorPattern {
  readonly kind: 'literal' | 'everybody' | 'services';
  readonly local: string;
  /** In lower case; undefined for every domain. */
  readonly domain: string | undefined;
}

const ALL_SERVICES = /^(?:imxp|apex)=\*$/i;
const ACTION = /^[A-Za-z][A-Za-z0-9._-]*:[A-Za-z][A-Za-z0-9._-]*$/;
/** Any domain will do to have a local part read. */
const SOME_DOMAIN = 'example.com';

/** @returns undefined when the text is neither an endpoint nor a pattern of endpoints (IMXP access §3) */
export function parseActor(text: string): ActorPattern | undefined {
  const at = text.lastIndexOf('@');
  if (at < 1) return undefined;
  const local = text.slice(0, at);
  const name = text.slice(at + 1);
  if (name !== '*' && !isDomain(name)) return undefined;
  const domain = name === '*' ? undefined : name.toLowerCase();
  if (local === '*') return { kind: 'everybody', local, domain };
  if (ALL_SERVICES.test(local)) return { kind: 'services', local: 'imxp=*', domain };
  const literal = addressOf(`${local}@${domain ?? SOME_DOMAIN}`);
  return literal === undefined ? undefined : { kind: 'literal', local: literal.local, domain };
}

/** Whether a text is `service:operation`. */
export function isAction(text: string): boolean {
  return ACTION.test(text);
}

/**
 * @returns undefined for an element that is no operation of this service
 * @throws RemoteProtocolError XML_INVALID, reply 501
 */
export function readAccessOperation(element: XmlElement): AccessOperation | undefined {
  if (element.name === 'get') return readGet(element);
  return element.name === 'set' ? readSet(element) : undefined;
}

function readGet(element: XmlElement): AccessGet {
  checkAttributes(element, ['owner', 'transID']);
  checkEmpty(element);
  return { type: 'get', owner: required(element, 'owner'), transID: transIdOf(element) };
}

function readSet(element: XmlElement): AccessSet {
  checkAttributes(element, ['owner', 'transID', 'timeStamp']);
  const [access, ...others] = childrenOf(element);
  if (access?.name !== 'access' || others.length > 0) throw invalid('element set: exactly one access is needed in it');
  const owner = required(element, 'owner');
  const timeStamp = timestampOf(element, 'timeStamp');
  return { type: 'set', owner, transID: transIdOf(element), timeStamp, access: readAccess(access) };
}

function readAccess(element: XmlElement): Access {
  checkAttributes(element, ['owner', 'lastUpdate']);
  const entries = childrenOf(element).map(readEntry);
  if (entries.length === 0) throw invalid('element access: at least one entry is needed');
  return { owner: required(element, 'owner'), lastUpdate: timestampOf(element, 'lastUpdate'), entries };
}

function readEntry(element: XmlElement): AccessEntry {
  if (element.name !== 'entry') throw invalid('element access: only entry is allowed in it');
  checkAttributes(element, ['actor', 'actions']);
  checkEmpty(element);
  const actor = required(element, 'actor');
  if (parseActor(actor) === undefined) {
    throw invalid('element entry: attribute actor must be local@domain, each of which may be *, or imxp=*@domain');
  }
  // ACC-5: empty and absent mean no actions
  const actions = (element.attributes.get('actions') ?? '').split(' ').filter((action) => action !== '');
  if (!actions.every(isAction)) {
    throw invalid('element entry: attribute actions must be a list of service:operation');
  }
  return { actor, actions };
}

/** The element, without white space between elements. @throws LocalError ARGUMENT: text that XML cannot carry */
export function writeAccessOperation(operation: AccessOperation): string {
  const { owner, transID } = operation;
  const common = `owner='${escapeAttribute(owner)}' transID='${transID}'`;
  if (operation.type === 'get') return `<get ${common} />`;
  const { timeStamp, access } = operation;
  return `<set ${common} timeStamp='${formatTimestamp(timeStamp)}'>${writeAccess(access)}</set>`;
}

function writeAccess({ owner, lastUpdate, entries }: Access): string {
  const tag = `<access owner='${escapeAttribute(owner)}' lastUpdate='${formatTimestamp(lastUpdate)}'>`;
  return `${tag}${entries.map(writeEntry).join('')}</access>`;
}

function writeEntry({ actor, actions }: AccessEntry): string {
  return `<entry actor='${escapeAttribute(actor)}' actions='${escapeAttribute(actions.join(' '))}' />`;
}
