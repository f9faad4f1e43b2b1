/** Course over relays: from an endpoint of the first of two to one of the same, or of the second. */
import type { ClientSettings } from './client.js';
import { Clients } from './clients.js';
import type { Course, Load } from './course.js';
import { BARNEY, FRED, Mesh, type MeshStart, type Way, WILMA } from './mesh.js';

export interface RelayCourseOptions {
  readonly way: Way;
  /** Relays that a message passes; the other one of two has nothing to do then. */
  readonly relays: 1 | 2;
  /** What is different in the configurations. */
  readonly more?: object;
  readonly start?: MeshStart;
}

export class RelayCourse implements Course {
  readonly name: string;
  readonly mesh: Mesh;
  readonly #clients: Clients;
  readonly #relays: 1 | 2;

  private constructor(name: string, mesh: Mesh, clients: Clients, relays: 1 | 2) {
    this.name = name;
    this.mesh = mesh;
    this.#clients = clients;
    this.#relays = relays;
  }

  static async start(name: string, { way, relays, more = {}, start = {} }: RelayCourseOptions): Promise<RelayCourse> {
    const mesh = await Mesh.start(way, more, { accounts: [WILMA], ...start });
    const to = relays === 1 ? WILMA : BARNEY;
    const { transport } = way;
    const authority = mesh.authority === undefined ? {} : { authority: mesh.authority.toString() };
    const settings = (role: ClientSettings['role'], address: string): ClientSettings => {
      const { port } = mesh.nodeOf(address);
      return { protocol: 'imxp', role, port, transport, address, to, ...authority };
    };
    try {
      return new RelayCourse(name, mesh, await Clients.start(settings('send', FRED), settings('receive', to)), relays);
    } catch (error) {
      await mesh.stop();
      throw error;
    }
  }

  get pids(): readonly number[] {
    return this.mesh.pids.slice(0, this.#relays);
  }

  /** The sender and the recipient. */
  get clientPids(): readonly [number, number] {
    return this.#clients.pids;
  }

  get output(): string {
    return this.mesh.first.command.output + this.mesh.second.command.output;
  }

  send(load: Load): Promise<number> {
    return this.#clients.send(load);
  }

  latencies(count: number, octets: number): Promise<readonly number[]> {
    return this.#clients.latencies(count, octets);
  }

  async stop(): Promise<void> {
    await this.#clients.stop();
    await this.mesh.stop();
  }
}
