/** Sends messages for the HTTP API: makes a Data operation and waits for its answer. */
import { givenAddress } from '../endpoint/address.js';
import { conditionsOf } from '../endpoint/conditions.js';
import { BINARY, TEXT } from '../endpoint/content.js';
import { optionOf } from '../endpoint/option.js';
import { type MadeContent, makeData } from '../imxp/content.js';
import { disposition } from '../mime/file-name.js';
import type { Submit } from '../services/outgoing.js';
import type { SendBody } from './api-schemas.js';
import { faultOf, HttpFault } from './http-fault.js';

export type Send = (account: string, body: SendBody) => Promise<object>;

export function senderBy(submit: Submit): Send {
  return (account, body) => {
    const { to, hold = false } = body;
    const recipients = (typeof to === 'string' ? [to] : to).map((one) => givenAddress(one).key);
    const options = conditionsOf({ hold }).map(optionOf);
    const data = makeData({ originator: account, recipients, options, content: contentOf(body) });
    return new Promise((resolve, reject) => {
      submit(data, {
        delivered: () => resolve({ code: 250, text: 'accepted' }),
        failed: (reply) => reject(faultOf(reply)),
      });
    });
  };
}

function contentOf({ text, base64, json, type, name }: SendBody): MadeContent {
  const given = [text, base64, json].filter((one) => one !== undefined);
  if (given.length !== 1) throw new HttpFault(400, 'give exactly one of "text", "base64" and "json"');
  const headers = name === undefined ? [] : [{ name: 'Content-Disposition', value: disposition(name) }];
  if (text !== undefined) return { type: type ?? TEXT, headers, body: Buffer.from(text) };
  if (base64 !== undefined) return { type: type ?? BINARY, headers, body: Buffer.from(base64, 'base64') };
  return { type: type ?? 'application/json', headers, body: Buffer.from(JSON.stringify(json)) };
}
