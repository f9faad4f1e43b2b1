/** Limits with some of them changed, for specs that construct a part of a node directly. */
import { DEFAULT_LIMITS, type Limits } from '../../lib/config/limits.js';

/** Some limits of some groups. */
export type SomeLimits = { readonly [Group in keyof Limits]?: Partial<Limits[Group]> };

/** `base` with the limits in `changes` instead of its own; groups are merged key by key. */
export function limitsWith(changes: SomeLimits = {}, base: Limits = DEFAULT_LIMITS): Limits {
  return {
    node: { ...base.node, ...changes.node },
    session: { ...base.session, ...changes.session },
    unauthenticated: { ...base.unauthenticated, ...changes.unauthenticated },
    anonymous: { ...base.anonymous, ...changes.anonymous },
    authentication: { ...base.authentication, ...changes.authentication },
    data: { ...base.data, ...changes.data },
    attachment: { ...base.attachment, ...changes.attachment },
    rate: { ...base.rate, ...changes.rate },
    xml: { ...base.xml, ...changes.xml },
    link: { ...base.link, ...changes.link },
    dns: { ...base.dns, ...changes.dns },
    presence: { ...base.presence, ...changes.presence },
    offline: { ...base.offline, ...changes.offline },
    api: { ...base.api, ...changes.api },
    webhook: { ...base.webhook, ...changes.webhook },
    websocket: { ...base.websocket, ...changes.websocket },
  };
}
