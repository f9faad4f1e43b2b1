/** Bodies of requests to the API, and its answers. The OpenAPI document is made of the same schemas. */
import * as z from 'zod';

const address = z.string().min(3).max(1024);

export const SEND = z.strictObject({
  to: z
    .union([address, z.array(address).min(1).max(1000)], { error: 'give an address, or a list of 1 to 1000 addresses' })
    .describe('one or more recipients'),
  text: z.string().optional().describe('content as text'),
  base64: z.base64().optional().describe('content as octets'),
  json: z.unknown().optional().describe('content as JSON'),
  type: z
    .string()
    .regex(/^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(?:\s*;[ -~]*)?$/)
    .optional()
    .describe('media type of the content'),
  name: z.string().min(1).max(255).optional().describe('file name of the content'),
  hold: z.boolean().optional().describe('whether it may be held while the recipient is not attached'),
});

export const ANSWER = z.strictObject({
  code: z.int().min(400).max(599).optional().describe('code of the refusal; without it the message is accepted'),
  text: z.string().max(1000).optional().describe('text of the refusal'),
});

export const NEW_ACCOUNT = z.strictObject({ address, password: z.string().min(1).max(1024) });

export const DISABLE = z.strictObject({ reason: z.string().max(1000).optional() });

export const ACCESS_BODY = z.strictObject({
  entries: z
    .array(z.strictObject({ actor: address, actions: z.array(z.string().regex(/^[a-z]+:[A-Za-z]+$/)).max(100) }))
    .min(1)
    .max(1000)
    .describe('the first entry that matches an actor decides'),
});

export const PUBLISH = z.strictObject({
  open: z.boolean().describe('whether messages are accepted now'),
  until: z.iso.datetime({ offset: true }).optional().describe('until when; default: always'),
  destination: z.string().min(3).max(1024).optional().describe('URI of where; default: im: and the account'),
  info: z.string().max(1024).optional().describe('URI about the account'),
});

export const TRACE = z.strictObject({
  to: address.describe('address whose way is traced'),
  from: address.optional().describe('account that sends the probe; default: the first account that is not disabled'),
});

const time = z.iso.datetime();

export const SENT = z.strictObject({ code: z.int(), text: z.string() });

export const ANSWERED = z.strictObject({ id: z.string() });

export const PUBLISHED = z.strictObject({
  publisher: address,
  destination: z.string(),
  open: z.boolean(),
  availableUntil: time,
});

export const PRESENCE_STATE = z.strictObject({
  publisher: address,
  open: z.boolean(),
  info: z.string(),
  lastUpdate: time,
  tuples: z.array(
    z.strictObject({ destination: z.string(), open: z.boolean(), availableUntil: time, info: z.string() }),
  ),
});

export const ACCOUNT = z.strictObject({
  address,
  warning: z.string().optional().describe('what people may confuse the account with'),
});

export const ACCOUNTS = z.strictObject({
  accounts: z.array(
    z.strictObject({
      address,
      created: time,
      changed: time,
      disabled: z.strictObject({ reason: z.string(), since: time }).nullable(),
      lastAttached: z.strictObject({ at: time, from: z.string().describe('network address') }).nullable(),
    }),
  ),
});

export const ACCESS_LIST = z.strictObject({
  entries: z.array(z.strictObject({ actor: z.string(), actions: z.array(z.string()) })),
  lastUpdate: time,
});

export const LOGINS = z.strictObject({
  logins: z.array(
    z.strictObject({
      remote: z.string(),
      failures: z.int(),
      last: time,
      reason: z.string(),
      banned: z.boolean().describe('whether sessions of this address are refused for it'),
    }),
  ),
});

export const TRACED = z.strictObject({
  from: address,
  to: address,
  code: z.int(),
  text: z.string(),
  ms: z.number(),
  reports: z.array(
    z.strictObject({ relay: z.string(), ms: z.number(), code: z.int().optional(), text: z.string().optional() }),
  ),
});

export const HELD = z.strictObject({
  data: z.int().describe('messages'),
  octets: z.int(),
  endpoints: z.int(),
  oldestMs: z.number(),
  stored: z.int().describe('since the start, as the next two'),
  delivered: z.int(),
  failed: z.int(),
});

export const HELD_FOR = z.strictObject({ address, data: z.int(), octets: z.int(), oldestMs: z.number() });

export type TraceBody = z.output<typeof TRACE>;
export type PublishBody = z.output<typeof PUBLISH>;
export type SendBody = z.output<typeof SEND>;
export type AnswerBody = z.output<typeof ANSWER>;
export type AccessBody = z.output<typeof ACCESS_BODY>;
