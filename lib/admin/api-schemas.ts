/** Bodies of requests to the API. The OpenAPI document is made of the same schemas. */
import * as z from 'zod';

const address = z.string().min(3).max(1024);

export const SEND = z.strictObject({
  to: z.union([address, z.array(address).min(1).max(1000)]).describe('one or more recipients'),
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

export type TraceBody = z.output<typeof TRACE>;
export type PublishBody = z.output<typeof PUBLISH>;
export type SendBody = z.output<typeof SEND>;
export type AnswerBody = z.output<typeof ANSWER>;
export type AccessBody = z.output<typeof ACCESS_BODY>;
