/**
 * Collects the connections that have something to write and lets each write once per turn of the event loop, after all
 * sockets that had input were read: one system call carries all that a turn produced.
 */

export interface Flushable {
  flush(): void;
}

let queue: Flushable[] = [];
let scheduled = false;

/** Flushes the connection at the end of this turn. The caller makes sure not to ask twice. */
export function flushLater(member: Flushable): void {
  queue.push(member);
  if (!scheduled) {
    scheduled = true;
    setImmediate(run);
  }
}

function run(): void {
  const due = queue;
  queue = [];
  scheduled = false;
  for (const member of due) member.flush();
}
