/**
 * Documents of the access service (access-01 §6): reads them against their DTD and writes them; also the syntax of
 * actions.
 */
import type { XmlElement } from '../../xml/parse.js';
import { escapeAttribute } from '../../xml/write.js';
import { checkAttributes, checkEmpty, childrenOf, invalid, required, transIdOf } from '../dialect/document.js';
import { parseActor } from './actor.js';
import { formatTimestamp, timestampOf } from './timestamp.js';

/** One `entry`: an actor, or a pattern of actors, and its actions. */
export interface AccessEntry {
  /** `local@domain`, with `*`, `imxp=*` or `name/*` for the local part and `*` or `*.name` for the domain. */
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

/** From a consumer: the request. From the service: the answer to get. */
export interface AccessSet {
  readonly type: 'set';
  readonly owner: string;
  readonly transID: number;
  /** The sender's date and time, milliseconds since 1970. */
  readonly timeStamp: number;
  readonly access: Access;
}

export type AccessOperation = AccessGet | AccessSet;

const ACTION = /^[A-Za-z][A-Za-z0-9._-]*:[A-Za-z][A-Za-z0-9._-]*$/;

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
  // D-ACCESS-04: empty and absent mean no actions.
  return { actor, actions: actionsOf(element) };
}

/**
 * Returns the attribute `actions`; no actions if it is absent.
 *
 * @throws RemoteProtocolError XML_INVALID, reply 501
 */
export function actionsOf(element: XmlElement): string[] {
  const actions = (element.attributes.get('actions') ?? '').split(/\s+/).filter((action) => action !== '');
  if (actions.every(isAction)) return actions;
  throw invalid(`element ${element.name}: attribute actions must be a list of service:operation`);
}

/**
 * Writes the element, without white space between elements.
 *
 * @throws LocalError ARGUMENT for text that XML cannot represent
 */
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
