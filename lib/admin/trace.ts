/** Trace of the way to an address for operators: which relays a Data operation passes, and how long each took. */
import type { AccountEndpoints } from './account-endpoints.js';

/** @param from the account that sends the probe */
export async function traced(endpoints: AccountEndpoints, from: string, to: string): Promise<object> {
  const lease = await endpoints.leaseBeside(from);
  try {
    const { code, text, ms, reports } = await lease.endpoint.trace(to);
    return {
      from,
      to,
      code,
      text,
      ms: Math.round(ms * 10) / 10,
      reports: reports.map(({ relay, recipients, ms: after }) => {
        const [first] = recipients;
        return { relay, ms: Math.round(after * 10) / 10, code: first?.code, text: first?.text };
      }),
    };
  } finally {
    lease.release();
  }
}
