/** As much of `node:events` as the endpoint library uses. */
type Listener = (...args: never[]) => void;

interface Heard {
  readonly listener: Listener;
  readonly once: boolean;
}

export class EventEmitter {
  readonly #heard = new Map<string, Heard[]>();

  on(event: string, listener: Listener): this {
    return this.#add(event, { listener, once: false });
  }

  once(event: string, listener: Listener): this {
    return this.#add(event, { listener, once: true });
  }

  off(event: string, listener: Listener): this {
    const all = this.#heard.get(event) ?? [];
    const at = all.findLastIndex((one) => one.listener === listener);
    if (at >= 0) this.#heard.set(event, all.toSpliced(at, 1));
    return this;
  }

  emit(event: string, ...args: readonly unknown[]): boolean {
    const all = this.#heard.get(event) ?? [];
    for (const { listener, once } of all) {
      if (once) this.off(event, listener);
      Reflect.apply(listener, this, args);
    }
    return all.length > 0;
  }

  listenerCount(event: string): number {
    return this.#heard.get(event)?.length ?? 0;
  }

  #add(event: string, heard: Heard): this {
    this.#heard.set(event, [...(this.#heard.get(event) ?? []), heard]);
    return this;
  }
}
