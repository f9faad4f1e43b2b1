/** What the parts of a gateway share: both sides, the address mapping, time. */
import { addressOfUri, uriOfAddress } from '../message/uri.js';
import type { CpimService } from './cpim-service.js';
import type { ImxpPort } from './port.js';

/** Mapping between addresses of the mesh and CPIM URIs; {@link PLAIN_MAPPING} by default. */
export interface AddressMapping {
  /** @throws RemoteProtocolError ADDRESS_INVALID */
  toImxp(uri: string): string;
  /** @throws RemoteProtocolError ADDRESS_INVALID */
  toCpim(scheme: 'im' | 'pres', address: string): string;
}

export const PLAIN_MAPPING: AddressMapping = { toImxp: addressOfUri, toCpim: uriOfAddress };

/** The completed options, shared by the parts of a gateway. */
export interface GatewayContext {
  readonly port: ImxpPort;
  readonly peer: CpimService;
  readonly mapping: AddressMapping;
  readonly answerTimeoutMs: number;
  wait(ms: number, signal: AbortSignal): Promise<void>;
  now(): number;
}
