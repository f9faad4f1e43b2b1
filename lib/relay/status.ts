/**
 * Status reports (core-01 §5.1): decides who is told what became of a Data operation because of statusRequest, and
 * which relay tells. Pure except for the reporter that it calls.
 *
 * With `final` the relay where the journey ends reports, by delivery or by failure (D-CORE-26): the relay that serves
 * the recipient, or the one nearest to the originator that was told of the failure. With `this` the first relay reports.
 * With `all` every relay reports, on failure as on success; with the others a relay that answers `error` to another leaves
 * the report to that one.
 */
import type { Reply } from '../errors.js';
import { addressOf } from '../imxp/address.js';
import { contentOf } from '../imxp/content.js';
import type { Data, Option } from '../imxp/operation.js';
import { looksLikeStatusResponse } from '../imxp/vocabulary/status.js';
import { type OptionPlace, OptionRegistry } from './options.js';
import { crosses, isDirect, type RouteView } from './route.js';

export const STATUS_REQUEST = 'statusRequest';

/**
 * Returns the options of a relay that honours statusRequest always, only on Data operations from or to other domains,
 * or never.
 */
export function statusOptions(scope: 'on' | 'border' | 'off'): OptionRegistry {
  const understood = new OptionRegistry();
  // Switched off, it is treated like an unknown option (D-CORE-27).
  if (scope !== 'off') understood.add(STATUS_REQUEST, ['data', 'recipient'], scope === 'on' ? 'always' : 'border');
  return understood;
}

/** Contents of a report. */
export interface StatusReport {
  /** Local domain whose report service sends it. */
  readonly domain: string;
  /** Recipient of the report: the originator of the request. */
  readonly to: string;
  /** transID of the request. */
  readonly transID: number;
  /** Languages that the originator asked for. */
  readonly localize: string;
  readonly destinations: readonly RecipientOutcome[];
  /** Options of the Data operation that carries the report. */
  readonly options?: readonly Option[];
}

/** Result for one recipient at this relay. */
export interface RecipientOutcome {
  /** Named as in the Data operation. */
  readonly identity: string;
  /** Undefined: delivered, or accepted by the next relay. */
  readonly reply: Reply | undefined;
}

/** The report service. */
export interface Reporter {
  report(report: StatusReport): void;
}

/** The relay as one sender of Data operations sees it, with what reports need. */
export interface StatusView extends RouteView {
  readonly reporter: Reporter | undefined;
  /** A local domain. */
  readonly home: string;
}

/** Whether a report may be due; cheap if there are no options. */
export function statusRequested(data: Data, view: StatusView): boolean {
  if (view.reporter === undefined) return false;
  return data.options.some(isRequest) || data.recipients.some(({ options }) => options.some(isRequest));
}

function isRequest(option: Option): boolean {
  return option.internal === STATUS_REQUEST;
}

/**
 * Reports on a Data operation that has been answered.
 *
 * @param failure reason why a recipient failed; undefined if it did not; `later` if another relay reports on it
 * @param answer the answer to the Data operation
 */
export function reportStatus(
  data: Data,
  failure: (identity: string) => Reply | undefined | 'later',
  answer: Reply | undefined,
  view: StatusView,
): void {
  const { reporter } = view;
  if (reporter === undefined || isReport(data)) return;
  // D-CORE-26: the relay that is told of the error reports it, not the one that tells; but each does for `all`.
  const tells = view.relayed && answer !== undefined;
  const drafts = new Drafts(data.originator);
  const crossing = crosses(data, view);
  const common = firstOf(data.options, 'data', crossing, view);
  const seen = new Set<string>();
  for (const { identity, options, written } of data.recipients) {
    const name = addressOf(identity);
    const key = name?.key ?? identity;
    if (seen.has(key)) continue;
    seen.add(key);
    const direct = isDirect(identity, view);
    const reply = failure(identity);
    if (reply === 'later') continue;
    const outcome = { identity: written ?? identity, reply };
    const domain = name !== undefined && direct ? name.domain : homeOf(data.originator, view);
    // Only the first request of each element counts, so that many of them do not cause a flood of reports.
    const own = firstOf(options, 'recipient', view.relayed || !direct, view);
    if (common !== undefined && applies(common, direct, outcome, tells)) drafts.add(domain, common, outcome);
    if (own !== undefined && own.transID !== common?.transID && applies(own, direct, outcome, tells)) {
      drafts.add(domain, own, outcome);
    }
  }
  for (const report of drafts.reports()) reporter.report(report);
}

function firstOf(options: readonly Option[], place: OptionPlace, crossing: boolean, view: StatusView) {
  return options.find((option) => isRequest(option) && view.options.understands(option, place, crossing));
}

/**
 * Whether this relay reports on a recipient; for `final`, whether the journey ended here.
 *
 * @param tells whether it answered another relay with an error
 */
function applies({ targetHop }: Option, direct: boolean, { reply }: RecipientOutcome, tells: boolean): boolean {
  if (tells) return targetHop === 'all';
  return targetHop !== 'final' || direct || reply !== undefined;
}

/** Returns the domain to report for on a recipient elsewhere: the originator's if it is served here. */
export function homeOf(originator: string, view: StatusView): string {
  const domain = addressOf(originator)?.domain;
  return domain !== undefined && view.local(domain) ? domain : view.home;
}

/** REQ-IMXP-043: a statusRequest on a report is ignored, or relays would report on reports. */
export function isReport(data: Data): boolean {
  const service = addressOf(data.originator)?.wellKnown;
  if (service === 'imxp=report' || service === 'apex=report') return true;
  try {
    const content = contentOf(data);
    if (content.kind === 'inline') return looksLikeStatusResponse(content.inner);
    return content.kind === 'part' && looksLikeStatusResponse(content.body);
  } catch {
    // Content that cannot be read is no report; the recipient will say what is wrong with it.
    return false;
  }
}

/** Collects reports; those of one request for one domain are merged. */
class Drafts {
  readonly #to: string;
  readonly #byRequest = new Map<string, StatusReport & { readonly destinations: RecipientOutcome[] }>();

  constructor(to: string) {
    this.#to = to;
  }

  add(domain: string, { transID, localize }: Option, outcome: RecipientOutcome): void {
    const key = `${transID} ${domain}`;
    const draft = this.#byRequest.get(key);
    if (draft !== undefined) draft.destinations.push(outcome);
    else this.#byRequest.set(key, { domain, to: this.#to, transID, localize, destinations: [outcome] });
  }

  reports(): Iterable<StatusReport> {
    return this.#byRequest.values();
  }
}
