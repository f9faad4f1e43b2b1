/** The services of a node (report, presence, access) by the well-known endpoints at which they are reached. */
import type { NodeConfig } from '../config/schema.js';
import type { DeliveryTarget } from '../relay/target.js';
import { ACCESS, AccessService } from '../services/access.js';
import { AccessCache } from '../services/access-cache.js';
import type { Submit } from '../services/outgoing.js';
import { PRESENCE, PresenceService } from '../services/presence/service.js';
import { REPORT, ReportService } from '../services/report.js';
import { AccessEntries } from '../store/access.js';
import type { Accounts } from '../store/accounts.js';
import type { Store } from '../store/store.js';
import { systemClock } from '../transport/clock.js';

/** What the services need of the node. */
export interface ServiceContext {
  /** What leads to the services, where another process has them; reports are made everywhere. */
  readonly center: DeliveryTarget | undefined;
  readonly store: Store;
  readonly accounts: Accounts;
  /** Sends a Data operation that a service made. */
  readonly submit: Submit;
  /** Whether the presence of an endpoint follows its attachments. */
  readonly follows: (address: string) => boolean;
}

export interface NodeServices {
  readonly entries: AccessEntries;
  readonly access: AccessCache;
  readonly report: ReportService;
  readonly presence: PresenceService;
  /** By local part, for the relay. */
  readonly services: ReadonlyMap<string, DeliveryTarget>;
}

export function makeServices(
  config: NodeConfig,
  { center, store, accounts, submit, follows }: ServiceContext,
): NodeServices {
  const entries = new AccessEntries(store, config.access.initial);
  const access = new AccessCache(entries);
  const report = new ReportService(submit);
  const presence = new PresenceService({
    store,
    provisioning: accounts,
    access,
    views: access,
    mesh: { submit },
    clock: systemClock,
    limits: { ...config.limits.presence, requests: config.limits.data.outstanding },
    follows,
  });
  entries.onReplaced((owner) => presence.permissionsChanged(owner));
  const services = new Map<string, DeliveryTarget>([
    [REPORT, report],
    [PRESENCE, center ?? presence],
  ]);
  services.set(
    ACCESS,
    center ??
      new AccessService({
        entries,
        access,
        directory: accounts,
        serves: (local) => services.has(local),
        submit,
        outstanding: config.limits.data.outstanding,
        outstandingPerEndpoint: config.limits.presence.requestsPerEndpoint,
      }),
  );
  return { entries, access, report, presence, services };
}
