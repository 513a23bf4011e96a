import { Actors } from './actors.js';
import { unconverged } from './convergence.js';
import { FaultBench } from './faults.js';
import { Observer } from './observer.js';
import { Oracle, type Violation } from './oracle.js';
import type { Action } from './plan.js';
import { engineAt, Planner } from './planner.js';
import { quietOf } from './quiet.js';
import { ChaosFixture, type Replica, SYNC_PERIOD_S } from './fixture.js';
import { ChaosTimeline } from './timeline.js';

export interface ChaosOptions {
  readonly seed: number;
  /** How long things change and break; waiting for convergence and for quiet comes on top. */
  readonly seconds: number;
  readonly resources?: number;
  readonly changesPerSecond?: number;
}

export interface ChaosReport {
  readonly seed: number;
  readonly seconds: number;
  readonly violations: readonly Violation[];
  /** What happened around the first violation; empty when there is none. */
  readonly timeline: readonly string[];
  readonly fullTimeline: readonly string[];
  readonly counts: Readonly<Record<string, number>>;
}

const PERIOD_MS = SYNC_PERIOD_S * 1000;
/** The longest backoff of the queue, and the end of a lease that nobody gave back. */
const BACKOFF_CAP_MS = 60_000;
const LEASE_MS = 17_000;
/** Room for a busy machine. */
const SLACK_MS = 10_000;

/**
 * One run: the built programs on the loopback servers, a schedule that follows from the seed, and the
 * oracle. The schedule is the same whenever it is repeated, but processes race: what meets what is not.
 */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const planner = new Planner({
    seed: options.seed,
    seconds: options.seconds,
    resources: options.resources ?? 100,
    changesPerSecond: options.changesPerSecond ?? 2.5,
  });
  const timeline = new ChaosTimeline();
  const fixture = await ChaosFixture.prepare(startsIn(planner), timeline);
  try {
    return await new ChaosRun(options, planner, fixture, timeline).run();
  } finally {
    await fixture.close();
  }
}

function startsIn({ steps }: Planner): number {
  const begun = steps.flatMap(({ action }) =>
    action.do === 'fault' && action.phase === 'begin' ? [action.fault] : [],
  );
  const starts = { 'process: kill': 1, 'process: rolling restart': 2 } as Partial<Record<string, number>>;
  return 2 + begun.reduce((sum, fault) => sum + (starts[fault] ?? 0), 0);
}

class ChaosRun {
  private readonly oracle: Oracle;
  private readonly observer: Observer;
  private readonly actors: Actors;
  private readonly bench: FaultBench;
  private readonly underWay: Promise<void>[] = [];

  constructor(
    private readonly options: ChaosOptions,
    private readonly planner: Planner,
    private readonly fixture: ChaosFixture,
    private readonly timeline: ChaosTimeline,
  ) {
    this.oracle = new Oracle({
      sealed: (ciphertext) => fixture.sealed.get(ciphertext),
      identityOf: (name) => fixture.identityOf(name),
    });
    this.observer = new Observer(fixture, this.oracle, timeline);
    this.actors = new Actors(fixture, timeline);
    this.bench = new FaultBench(fixture, this.oracle, timeline);
  }

  async run(): Promise<ChaosReport> {
    for (let index = 0; index < 2; index += 1) this.fixture.startReplica();
    for (const action of this.planner.start) this.perform(action);
    await this.actors.settled();
    const beganMs = this.timeline.now();
    this.timeline.add('the schedule begins');
    for (const { atMs, action } of this.planner.steps) {
      await this.until(beganMs + atMs);
      this.perform(action);
    }
    await this.until(beganMs + this.options.seconds * 1000);
    await Promise.all(this.underWay);
    await this.bench.endAll();
    await this.actors.settled();
    this.timeline.add('the faults are over');
    const overMs = this.timeline.now();
    const convergedMs = await this.converge(overMs);
    if (convergedMs !== undefined) await this.quiet(convergedMs);
    await this.lookForLeaks();
    return this.report(convergedMs === undefined ? -1 : convergedMs - overMs);
  }

  private perform(action: Action): void {
    if (action.do !== 'fault') this.actors.act(action);
    else if (action.phase === 'begin') this.bench.begin(action.fault, action.draw);
    else this.underWay.push(this.bench.end(action.fault));
  }

  private async until(ms: number): Promise<void> {
    const leftMs = ms - this.timeline.now();
    if (leftMs > 0) await new Promise((resolve) => setTimeout(resolve, leftMs));
    for (const replica of this.fixture.replicas) this.checkAlive(replica);
    const { webhook, webhookDismissed } = this.fixture;
    if (webhook?.running === false && !webhookDismissed) {
      this.fixture.webhookDismissed = true;
      this.oracle.report('alive', this.timeline.now(), 'the webhook ended by itself');
    }
  }

  private checkAlive(replica: Replica): void {
    if (replica.dismissed || replica.program.running) return;
    replica.dismissed = true;
    this.oracle.report('alive', this.timeline.now(), `${replica.name} ended by itself`);
  }

  /** @returns when everything was as desired; undefined: not in time. */
  private async converge(overMs: number): Promise<number | undefined> {
    const untilMs = overMs + PERIOD_MS + BACKOFF_CAP_MS + LEASE_MS + SLACK_MS;
    for (;;) {
      const nowMs = this.timeline.now();
      const left = unconverged(this.oracle, engineAt, nowMs);
      if (left.length === 0) return nowMs;
      if (nowMs > untilMs) {
        for (const line of left) this.oracle.report('convergence', nowMs, line);
        return undefined;
      }
      await this.until(nowMs + 100);
    }
  }

  /** Waits for a period without one write, patch or decryption. */
  private async quiet(convergedMs: number): Promise<void> {
    for (;;) {
      const nowMs = this.timeline.now();
      const late = quietOf(this.observer.activity, { convergedMs, nowMs, periodMs: PERIOD_MS });
      for (const what of late ?? []) this.oracle.report('quiet', nowMs, what);
      if (late !== undefined) break;
      await this.until(nowMs + 100);
    }
    const nowMs = this.timeline.now();
    for (const line of unconverged(this.oracle, engineAt, nowMs))
      this.oracle.report('convergence', nowMs, `not any more: ${line}`);
  }

  private async lookForLeaks(): Promise<void> {
    const found: [string, string][] = this.fixture.outputs();
    for (const { name, program } of this.fixture.running) {
      const address = await program.address('serving metrics');
      found.push([`the metrics of ${name}`, await (await fetch(`${address}/metrics`)).text()]);
    }
    for (const [where, text] of found) {
      for (const line of text.split('\n')) {
        const leak = this.fixture.scanner.find(line);
        if (leak !== undefined) this.oracle.report('secrecy', this.timeline.now(), `${where} shows ${leak}`);
      }
    }
  }

  private report(convergedMs: number): ChaosReport {
    const { violations, leases } = this.oracle;
    const [first] = violations;
    const about = violations.slice(0, 3).flatMap(({ text }) => text.match(/[\w./-]+\/[\w./-]+/g) ?? []);
    return {
      seed: this.options.seed,
      seconds: this.options.seconds,
      violations,
      timeline: first === undefined ? [] : this.timeline.around(first.atMs, about),
      fullTimeline: this.timeline.all(),
      counts: {
        changes: this.actors.done,
        refused: this.actors.refused,
        faults: this.planner.steps.filter(({ action }) => action.do === 'fault' && action.phase === 'begin')
          .length,
        processes: this.fixture.replicas.length,
        handovers: leases.handovers,
        vaultWrites: this.observer.vaultWrites,
        kmsRequests: this.observer.activity.filter(({ what }) => what === 'a request to KMS').length,
        convergedAfterMs: Math.round(convergedMs),
      },
    };
  }
}
