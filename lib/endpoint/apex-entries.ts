/**
 * Client for single access entries in the APEX form (RFC 3341 §4): query, get and set, and what an actor may do before
 * it has an entry of its own. Knows nothing of connections.
 */
import { LocalError, RefusedError } from '../errors.js';
import { addressOf } from '../imxp/address.js';
import { type ActorPattern, parseActor, writeActor } from '../imxp/vocabulary/actor.js';
import {
  type ApexAccess,
  type ApexAccessOperation,
  readApexAccess,
  writeApexAccess,
} from '../imxp/vocabulary/apex-access.js';
import type { XmlElement } from '../xml/parse.js';
import { KNOWN, patternOf, withSubaddresses } from './access-list.js';
import { type AccessEntryInfo, type AccessQuestions, type AccessRequest, replyIn } from './access-questions.js';

/** Attempts at changing an entry that somebody else changes at the same time. */
const ATTEMPTS = 5;
const DONE = 250;
/** RFC 3341 §4.3: there is no such entry. */
const NO_ENTRY = 551;
/** RFC 3341 §4.4: the entry has changed since it was read. */
const CHANGED = 555;

type Actions = readonly string[];

export class ApexEntries {
  readonly #questions: AccessQuestions;

  constructor(questions: AccessQuestions) {
    this.#questions = questions;
  }

  /** Whether an endpoint may perform all of these actions. */
  async query(owner: string, actor: string, actions: Actions, request: AccessRequest): Promise<boolean> {
    const name = addressOf(actor);
    if (name === undefined)
      throw new LocalError('ARGUMENT', `${JSON.stringify(actor)} is not an address; write local@domain`);
    const answer = await this.#ask(owner, request, (transID) => {
      return { type: 'query', owner, actor: name, actions, transID };
    });
    if (answer.name === 'allow') return true;
    if (answer.name === 'deny') return false;
    throw new RefusedError('REFUSED', replyIn(answer));
  }

  async entry(owner: string, actor: string, request: AccessRequest): Promise<AccessEntryInfo | undefined> {
    const access = await this.#get(owner, patternOf(actor), request);
    if (access === undefined) return undefined;
    return { actor, actions: access.actions ?? [], lastUpdate: new Date(access.lastUpdate ?? 0) };
  }

  /**
   * Changes the entry of an actor, and of its subaddresses where the actor is an endpoint.
   *
   * @param change makes the new actions from the present ones
   */
  async change(owner: string, actor: string, change: (now: Actions) => Actions, request: AccessRequest): Promise<void> {
    for (const one of withSubaddresses(actor)) await this.#changeOne(owner, patternOf(one), change, request);
  }

  async remove(owner: string, actor: string, request: AccessRequest): Promise<void> {
    for (const one of withSubaddresses(actor)) {
      await this.#set(owner, patternOf(one), request, async () => undefined);
    }
  }

  async #changeOne(
    owner: string,
    pattern: ActorPattern,
    change: (now: Actions) => Actions,
    request: AccessRequest,
  ): Promise<void> {
    await this.#set(owner, pattern, request, async (present) => {
      return change(present?.actions ?? (await this.#presentActions(owner, pattern, request)));
    });
  }

  async #set(
    owner: string,
    actor: ActorPattern,
    request: AccessRequest,
    change: (present: ApexAccess | undefined) => Promise<Actions | undefined>,
  ): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const present = await this.#get(owner, actor, request);
      const actions = await change(present);
      const access = { owner, actor, actions, lastUpdate: present?.lastUpdate };
      const { code, text } = replyIn(await this.#ask(owner, request, (transID) => ({ type: 'set', transID, access })));
      if (code === DONE) return;
      if (code !== CHANGED || attempt === ATTEMPTS) throw new RefusedError('REFUSED', { code, text });
    }
  }

  async #get(owner: string, actor: ActorPattern, request: AccessRequest): Promise<ApexAccess | undefined> {
    const answer = await this.#ask(owner, request, (transID) => ({ type: 'get', owner, actor, transID }));
    const operation = answer.name === 'reply' ? undefined : readApexAccess(answer);
    if (operation?.type === 'set') return operation.access;
    const { code, text } = replyIn(answer);
    if (code === NO_ENTRY) return undefined;
    throw new RefusedError('REFUSED', { code, text });
  }

  /** What an actor without an entry of its own may do now; a new entry must grant that as well. */
  async #presentActions(owner: string, actor: ActorPattern, request: AccessRequest): Promise<Actions> {
    const { kind, local, domain } = actor;
    if (kind === 'literal' && domain !== undefined) {
      const known = KNOWN.map((action) => this.query(owner, `${local}@${domain}`, [action], request));
      const answers = await Promise.all(known);
      return KNOWN.filter((_, at) => answers[at]);
    }
    for (const wider of widerThan(actor)) {
      const access = await this.#get(owner, wider, request);
      if (access !== undefined) return access.actions ?? [];
    }
    return [];
  }

  #ask(
    owner: string,
    request: AccessRequest,
    operation: (transID: number) => ApexAccessOperation,
  ): Promise<XmlElement> {
    return this.#questions.ask({ ...request, owner }, (transID) => writeApexAccess(operation(transID)));
  }
}

/** The patterns that cover a pattern, the most specific first (RFC 3341 §3.1). */
function widerThan(pattern: ActorPattern): ActorPattern[] {
  const { kind, local, domain, below } = pattern;
  const name = kind === 'subaddresses' ? `${local}/*` : local;
  const everybody = kind === 'services' ? 'imxp=*' : '*';
  const labels = domain?.split('.') ?? [];
  const domains = [...(below ? [] : [domain ?? '*']), ...labels.map((_, at) => `*.${labels.slice(at).join('.')}`), '*'];
  const texts = domains.flatMap((one) => [`${name}@${one}`, `${everybody}@${one}`]);
  const own = writeActor(pattern);
  return [...new Set(texts)]
    .map(parseActor)
    .filter((one) => one !== undefined)
    .filter((one) => writeActor(one) !== own);
}
