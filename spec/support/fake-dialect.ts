/**
 * A dialect for the relay's specs: operations as JSON. The relay must work with any dialect, and its specs read better
 * without XML.
 */
import { RemoteProtocolError } from '../../lib/errors.js';
import type { Dialect } from '../../lib/imxp/dialect/dialect.js';
import type { Attach, Bind, Data, Operation, OperationReply, Option, Terminate } from '../../lib/imxp/operation.js';

export class FakeDialect implements Dialect {
  readonly name = 'imxp';
  readonly prefix = 'imxp=';
  readonly repliesImmediately: boolean = false;
  readonly apexNames: boolean = false;
  readonly profile: string;
  readonly ok: Buffer;

  constructor(profile = 'fake:imxp') {
    this.profile = profile;
    this.ok = Buffer.from(`{"type":"ok","in":"${profile}"}`);
  }

  decode(payload: Buffer): Operation {
    const operation = parse(payload);
    if (operation.type !== 'data') return operation;
    return { ...operation, source: { profile: this.profile, payload } };
  }

  decodeReply(payload: Buffer): OperationReply {
    const reply = parse(payload);
    const { type } = reply as { type: string };
    if (type !== 'ok' && type !== 'error') {
      throw new RemoteProtocolError('XML_INVALID', 'neither ok nor error', { reply: { code: 501, text: 'invalid' } });
    }
    return reply as OperationReply;
  }

  decodeInitial(content: Buffer): Operation {
    return this.decode(content);
  }

  decodeInitialReply(content: Buffer): OperationReply {
    return this.decodeReply(content);
  }

  encode(operation: Attach | Bind | Terminate): Buffer {
    return Buffer.from(JSON.stringify(operation));
  }

  encodeInitial(operation: Attach | Bind): string {
    return JSON.stringify(operation);
  }

  encodeReply(reply: OperationReply): Buffer {
    return reply.type === 'ok' ? this.ok : Buffer.from(JSON.stringify(reply));
  }

  encodeInitialReply(reply: OperationReply): string {
    return JSON.stringify(reply);
  }

  encodeData(data: Data): Buffer {
    return Buffer.from(JSON.stringify({ ...data, source: undefined }));
  }
}

// biome-ignore lint/suspicious/noExplicitAny: JSON.parse gives what the spec wrote
function parse(payload: Buffer): any {
  try {
    return JSON.parse(payload.toString());
  } catch (cause) {
    throw new RemoteProtocolError('XML_NOT_WELL_FORMED', 'not JSON', {
      reply: { code: 500, text: 'not well-formed' },
      cause,
    });
  }
}

export function option(fields: Partial<Option> & { readonly internal?: string }): Option {
  return {
    internal: 'example',
    external: undefined,
    targetHop: 'final',
    seeNoEvil: true,
    transID: 1,
    localize: 'i-default',
    inner: Buffer.alloc(0),
    ...fields,
  };
}

/** A recipient is an address, or an address and its options. */
export type To = string | readonly [string, readonly Option[]];

export function data(originator: string, to: readonly To[], options: readonly Option[] = [], mark = ''): Data {
  return {
    type: 'data',
    originator,
    content: `#${mark}`,
    recipients: to.map((one) =>
      typeof one === 'string' ? { identity: one, options: [] } : { identity: one[0], options: one[1] },
    ),
    options,
    dataContent: { name: mark, inner: Buffer.alloc(0) },
    source: undefined,
  };
}
