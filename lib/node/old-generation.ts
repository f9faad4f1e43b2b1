/**
 * Limit of V8's old generation while large messages pass. What is read from sockets lies outside of V8's heap and counts as
 * growth of it. The heap of a relay is small, and so is the growth after which V8 marks all of it: a few large messages. A
 * relay marked its heap for every 3 to 28 messages of 1 MiB, which took up to half of its CPU time.
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8';

/** Growth that V8 allows, at least, before it marks the heap. */
const ROOM_OCTETS = 67_108_864;
/** Octets outside of the heap from which on large messages are under way. */
const BULK_OCTETS = 8_388_608;
const LOOK_MS = 100;
/** Looks without large messages after which V8's own limits hold again: ten seconds. */
const QUIET_LOOKS = 100;
/** The growth is a share of the heap, in steps, so that it is not set at each look. */
const STEP_PERCENT = 50;

/** Octets in V8's heap, and octets of buffers outside of it. */
export interface Heap {
  readonly used: number;
  readonly outside: number;
}

function heapOfProcess(): Heap {
  const { used_heap_size: used, external_memory: outside } = getHeapStatistics();
  return { used, outside };
}

/**
 * For a process that relays: sets flags of V8, which are those of the whole process.
 *
 * @param every calls a function at an interval
 * @param grow sets by how many percent the heap may grow; with 0 V8 decides
 */
export function giveRoomForOctets(
  every: (ms: number, run: () => void) => unknown,
  heap: () => Heap = heapOfProcess,
  grow = (percent: number): void => setFlagsFromString(`--heap-growing-percent=${percent}`),
): void {
  let present = 0;
  let quiet = QUIET_LOOKS;
  every(LOOK_MS, () => {
    const { used, outside } = heap();
    quiet = outside >= BULK_OCTETS ? 0 : quiet + 1;
    // A heap that is large itself has room by V8's own limits.
    const room = used >= ROOM_OCTETS ? 0 : Math.ceil(ROOM_OCTETS / used / (STEP_PERCENT / 100)) * STEP_PERCENT;
    const wanted = quiet >= QUIET_LOOKS ? 0 : room;
    if (wanted === present) return;
    present = wanted;
    grow(wanted);
  });
}
