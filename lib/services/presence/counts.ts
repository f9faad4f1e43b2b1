/** What the presence service has done since the start, as plain numbers that whoever is interested reads now and then. */
export class Counts {
  /** Entries replaced, by publishers or because an endpoint was attached. */
  entries = 0;
  /** What was sent, by element. */
  publish = 0;
  notify = 0;
  terminate = 0;
  /** Of publish and notify, those that did not arrive. */
  failed = 0;
}
