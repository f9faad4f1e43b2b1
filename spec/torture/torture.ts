/**
 * One run: honest traffic over two relays while they are disturbed, and the account of every message afterwards. Sets up
 * and takes down; decides what a violation is; prints nothing.
 */
import { Dice } from '../support/mutation.js';
import { DISTURBANCES } from './disturbances.js';
import { Ledger, type Tally } from './ledger.js';
import { HostileNeighbour, MISBEHAVIOUR_NAMES } from './neighbour.js';
import { type Figures, type Relay, Stage } from './stage.js';
import { AWAY, pause, RECIPIENTS, Traffic } from './traffic.js';

export interface TortureOptions {
  readonly ms: number;
  readonly seed: number;
  readonly tls: boolean;
  /** No disturbances: the same traffic for a long time, to see what grows. */
  readonly soak?: boolean;
  readonly tell?: (text: string) => void;
}

export interface Sample extends Figures {
  /** Since the beginning of the run. */
  readonly ms: number;
}

export interface TortureResult {
  readonly disturbances: ReadonlyMap<string, number>;
  /** What could not be done here, and why. */
  readonly leftOut: ReadonlyMap<string, string>;
  readonly misbehaviours: ReadonlyMap<string, number>;
  readonly live: Tally;
  readonly held: Tally;
  readonly hostile: { readonly sent: number; readonly answers: ReadonlyMap<string, number> };
  readonly samples: ReadonlyMap<string, readonly Sample[]>;
  readonly violations: readonly string[];
}

/** The library's own limit, its reconnection and the relays' limits are all shorter. */
const ANSWER_WITHIN_MS = 90_000;
const BETWEEN_MS = 700;
const SAMPLE_MS = 5000;
/** For what is held to arrive when its recipient attaches at last. */
const ARRIVAL_MS = 60_000;

export async function torture(options: TortureOptions): Promise<TortureResult> {
  const { ms, seed, tls, soak = false, tell = () => {} } = options;
  const stage = await Stage.open(tls);
  const ledger = new Ledger();
  const violations: string[] = [];
  const samples = new Map<string, Sample[]>(Object.keys(stage.relays).map((domain) => [domain, []]));
  const begun = performance.now();
  let failed = false;
  const sampling = setInterval(() => {
    for (const [domain, relay] of Object.entries(stage.relays)) void sample(samples.get(domain), relay, stage, begun);
  }, SAMPLE_MS);
  try {
    const neighbour = new HostileNeighbour(stage.neighbour);
    const traffic = new Traffic(stage, ledger);
    await traffic.begin();
    tell('honest traffic has begun');
    const { counts, leftOut } = await disturbed(stage, { ms, seed, soak, tell, violations });
    tell('waiting for the last answers');
    await traffic.end(ANSWER_WITHIN_MS);
    // Who was away comes now, and everybody else is there.
    await Promise.all([...RECIPIENTS, ...AWAY].map((address) => stage.receive(address)));
    await arrived(stage, ledger, violations);
    await traffic.close();
    for (const address of [...RECIPIENTS, ...AWAY])
      for (const id of stage.deliveries(address)) {
        // The rest of a large message is on further lines.
        if (!/^x+$/.test(id)) ledger.delivered(id);
      }
    const answered = [...traffic.hostile.answers.values()].reduce((sum, count) => sum + count, 0);
    if (traffic.hostile.sent !== answered) {
      violations.push('a message to the hostile neighbour has no answer');
    }
    return {
      disturbances: counts,
      leftOut,
      misbehaviours: new Map(MISBEHAVIOUR_NAMES.map((name) => [name, neighbour.tried.get(name) ?? 0])),
      live: ledger.tally('live'),
      held: ledger.tally('held'),
      hostile: traffic.hostile,
      samples,
      violations: [...violations, ...stage.given, ...ledger.violations(ANSWER_WITHIN_MS)],
    };
  } catch (error) {
    // What goes wrong when everything is torn down must not hide why.
    tell(`ends early: ${error instanceof Error ? error.message : String(error)}`);
    failed = true;
    throw error;
  } finally {
    clearInterval(sampling);
    await stage.close().catch((error: unknown) => {
      if (!failed) throw error;
    });
  }
}

async function disturbed(
  stage: Stage,
  {
    ms,
    seed,
    soak,
    tell,
    violations,
  }: Required<Pick<TortureOptions, 'ms' | 'seed' | 'soak' | 'tell'>> & { violations: string[] },
): Promise<{ counts: Map<string, number>; leftOut: Map<string, string> }> {
  const dice = new Dice(seed);
  const counts = new Map<string, number>();
  const leftOut = new Map(
    DISTURBANCES.flatMap(({ name, obstacle }) => {
      const why = obstacle?.(stage);
      return why === undefined ? [] : [[name, why] as const];
    }),
  );
  const possible = DISTURBANCES.filter(({ name }) => !leftOut.has(name));
  const lots = possible.flatMap((one) => new Array<(typeof possible)[number]>(one.weight).fill(one));
  const until = performance.now() + ms;
  while (performance.now() < until) {
    if (soak) {
      await pause(BETWEEN_MS);
      continue;
    }
    const disturbance = dice.of(lots);
    try {
      await disturbance.disturb(stage, dice);
    } catch (error) {
      violations.push(`${disturbance.name}: ${error instanceof Error ? error.message : String(error)}`);
    }
    counts.set(disturbance.name, (counts.get(disturbance.name) ?? 0) + 1);
    for (const relay of Object.values(stage.relays)) await revived(stage, relay, violations);
    tell(`${Math.round((until - performance.now()) / 1000)} s left, last: ${disturbance.name}`);
    await pause(dice.below(BETWEEN_MS));
  }
  return { counts, leftOut };
}

/** A relay that ended by itself is a violation, and is started again so that the run goes on. */
async function revived(stage: Stage, relay: Relay, violations: string[]): Promise<void> {
  const { command } = relay.node;
  if (!relay.up) {
    violations.push(`${relay.domain} did not come back`);
  } else if (!command.ended) return;
  else violations.push(`${relay.domain} ended by itself: ${command.output.slice(-1000)}`);
  await stage.start(relay);
}

/** Waits until as many held messages were delivered as were accepted, or long enough. */
async function arrived(stage: Stage, ledger: Ledger, violations: string[]): Promise<void> {
  const wanted = ledger.tally('held').answers.get('ok') ?? 0;
  const until = performance.now() + ARRIVAL_MS;
  const there = (): number => new Set(AWAY.flatMap((address) => stage.deliveries(address))).size;
  while (there() < wanted && performance.now() < until) await pause(200);
  if (there() < wanted) violations.push(`of ${wanted} messages that were held, ${there()} came`);
}

async function sample(list: Sample[] | undefined, relay: Relay, stage: Stage, begun: number): Promise<void> {
  const figures = await stage.figures(relay);
  if (figures !== undefined) list?.push({ ms: performance.now() - begun, ...figures });
}
