/** The part of @xmpp/component-core that is used here; the package has no types of its own. */
declare module '@xmpp/component-core' {
  import type { EventEmitter } from 'node:events';
  import type { Socket } from 'node:net';

  /** An element of ltx. */
  export interface LtxElement {
    readonly attrs: Readonly<Record<string, string | undefined>>;
    readonly children: readonly (LtxElement | string)[];
    getName(): string;
    getNS(): string | undefined;
  }

  export class Component extends EventEmitter {
    constructor(options: { readonly service: string; readonly domain: string });
    readonly status: string;
    /** Milliseconds for each answer that has no other limit: 2000 at first. */
    timeout: number;
    /** Null while there is no connection. */
    readonly socket: Socket | null;
    connect(service: string): Promise<unknown>;
    open(options: { readonly domain: string; readonly timeout?: number }): Promise<LtxElement>;
    authenticate(id: string | undefined, password: string): Promise<void>;
    write(octets: string): Promise<void>;
    stop(): Promise<unknown>;
  }
}
