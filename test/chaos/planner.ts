import {
  BEYOND_A_LEASE_MS,
  FAULTS,
  type FaultGroup,
  type FaultName,
  LONGEST_FAULT_MS,
} from './fault-names.js';
import type { Action, Drift, PlannedItem, PlannedSpec, Step, Target } from './plan.js';
import { SeededRandom } from './random.js';
import { CANARY, type Context } from './sealed-values.js';

export const MOUNTS: Readonly<Record<string, 'v1' | 'v2'>> = {
  kv: 'v1',
  secret: 'v2',
  'deep/er/kv': 'v1',
  apps: 'v2',
};
/** The webhook guards the last one. */
export const NAMESPACES = ['default', 'team-a', 'guarded'] as const;
export const GUARDED = 'guarded';
const PARTIALS = ['p-0', 'p-1', 'p-2', 'p-3'];
const KEYS = ['user', 'password', 'token', 'a.b', '__proto__', 'constructor', 'url', 'k-7'];
const CONTEXTS: readonly Context[] = [{ app: 'web' }, { app: 'web', stage: 'prod' }, { team: 'blue' }];
const DRIFTS: readonly Drift[] = [
  'change a key',
  'change a key',
  'add a key',
  'drop a key',
  'delete it',
  'delete the version',
  'write it anew',
];

interface PlannedSecret {
  readonly target: Target;
  spec: PlannedSpec;
  finalizer: boolean;
  exists: boolean;
}

export interface PlanOptions {
  readonly seed: number;
  readonly seconds: number;
  readonly resources: number;
  /** Changes by users and hands per second. */
  readonly changesPerSecond: number;
}

/** Makes the schedule of a run from its seed: what is there at the start, and every step after it. */
export class Planner {
  readonly start: Action[] = [];
  readonly steps: Step[] = [];
  private readonly random: SeededRandom;
  private readonly secrets: PlannedSecret[] = [];
  private readonly strangers: string[] = [];
  private paths = 0;
  private values = 0;

  constructor(private readonly options: PlanOptions) {
    this.random = new SeededRandom(options.seed);
    this.populate();
    this.changeThings(this.random.fork());
    for (const group of Object.keys(FAULTS) as FaultGroup[]) this.breakThings(group, this.random.fork());
    this.steps.sort((a, b) => a.atMs - b.atMs);
  }

  private populate(): void {
    for (let index = 0; index < 12; index += 1) this.start.push(this.stranger());
    for (const namespace of NAMESPACES) {
      for (const name of PARTIALS.slice(0, 3)) {
        this.start.push(this.partial({ kind: 'PartialKMSVaultSecret', namespace, name }));
      }
    }
    for (let index = 0; index < this.options.resources; index += 1) {
      const namespace = NAMESPACES[index % NAMESPACES.length] ?? 'default';
      const target: Target = {
        kind: 'KMSVaultSecret',
        namespace,
        name: `s-${String(index).padStart(3, '0')}`,
      };
      const secret: PlannedSecret = {
        target,
        spec: this.spec(namespace),
        finalizer: this.random.chance(0.6),
        exists: true,
      };
      this.secrets.push(secret);
      this.start.push(applyOf(secret));
    }
  }

  private changeThings(random: SeededRandom): void {
    const changes = Math.round(this.options.seconds * this.options.changesPerSecond);
    const times = Array.from({ length: changes }, () => random.next() * this.options.seconds * 1000);
    for (const atMs of times.sort((a, b) => a - b)) {
      const what = random.weighted({
        edit: 30,
        move: 14,
        drift: 22,
        partial: 10,
        'delete partial': 4,
        delete: 10,
        recreate: 6,
        engine: 4,
        bump: 4,
        stranger: 3,
      });
      for (const [delayMs, action] of this.change(what)) this.steps.push({ atMs: atMs + delayMs, action });
    }
  }

  private change(what: string): [number, Action][] {
    const { random } = this;
    const secret = random.pick(this.secrets);
    const { namespace } = secret.target;
    const partial: Target = { kind: 'PartialKMSVaultSecret', namespace, name: random.pick(PARTIALS) };
    switch (what) {
      case 'move':
        secret.spec = { ...secret.spec, ...this.place() };
        return this.applied(secret);
      case 'engine': {
        const engineVersion = secret.spec.kvSettings?.engineVersion === 'v1' ? 'v2' : 'v1';
        // Half of them without the path, which is then a mistake.
        secret.spec = random.chance(0.5)
          ? { ...secret.spec, ...this.place(engineVersion) }
          : { ...secret.spec, kvSettings: { engineVersion } };
        return this.applied(secret);
      }
      case 'drift': {
        const path = secret.spec.path ?? '';
        return [[0, { do: 'drift', path, how: random.pick(DRIFTS), value: this.value('drift') }]];
      }
      case 'partial':
        return [[0, this.partial(partial)]];
      case 'delete partial':
        return [[0, { do: 'delete', target: partial }]];
      case 'delete':
        secret.exists = false;
        return [[0, { do: 'delete', target: secret.target }]];
      case 'recreate':
        secret.exists = true;
        secret.spec = random.chance(0.5) ? this.spec(namespace) : secret.spec;
        secret.finalizer = random.chance(0.6);
        return [
          [0, { do: 'delete', target: secret.target }],
          [random.int(50, 3_000), applyOf(secret)],
        ];
      case 'bump':
        return [[0, { do: 'bump', target: secret.target }]];
      case 'stranger':
        return [[0, this.stranger()]];
      default: {
        const fresh = this.spec(namespace);
        const { path, kvSettings } = secret.spec;
        secret.spec = {
          ...fresh,
          ...(path === undefined ? {} : { path }),
          ...(kvSettings === undefined ? {} : { kvSettings }),
        };
        return this.applied(secret);
      }
    }
  }

  private applied(secret: PlannedSecret): [number, Action][] {
    secret.exists = true;
    return [[0, applyOf(secret)]];
  }

  private breakThings(group: FaultGroup, random: SeededRandom): void {
    const endMs = this.options.seconds * 1000;
    let atMs = random.int(500, group === 'webhook' ? 12_000 : 6_000);
    while (atMs < endMs - 1_500) {
      const fault = `${group}: ${random.pick<string>(FAULTS[group])}` as FaultName;
      const longest = Math.min(LONGEST_FAULT_MS[group], this.options.seconds * 250);
      const isLong = fault === 'process: freeze' && random.chance(0.5);
      const shortestMs = isLong ? BEYOND_A_LEASE_MS : 500;
      const lastsMs = random.int(shortestMs, Math.max(longest, shortestMs + 2_000));
      const untilMs = Math.min(endMs, atMs + lastsMs);
      const draw = random.next();
      this.steps.push({ atMs, action: { do: 'fault', fault, phase: 'begin', draw } });
      this.steps.push({ atMs: untilMs, action: { do: 'fault', fault, phase: 'end', draw } });
      // A leader that is gone is missed for the time of a lease: leave room for work in between.
      const [least, most] = group === 'process' ? [8_000, 20_000] : [3_000, 14_000];
      atMs = untilMs + random.int(least, most);
    }
  }

  private partial(target: Target): Action {
    const { random } = this;
    const secretContext = random.chance(0.3) ? random.pick(CONTEXTS) : undefined;
    const spec: PlannedSpec = {
      secrets: this.items(random.int(1, 3), secretContext, target.namespace),
      ...(secretContext === undefined ? {} : { secretContext }),
    };
    return { do: 'apply', target, spec, finalizer: random.chance(0.5) };
  }

  private spec(namespace: string): PlannedSpec {
    const { random } = this;
    const secretContext = random.chance(0.3) ? random.pick(CONTEXTS) : undefined;
    const includes = random.chance(0.45) ? [...new Set([random.pick(PARTIALS), random.pick(PARTIALS)])] : [];
    return {
      ...this.place(),
      secrets: this.items(random.int(includes.length > 0 ? 0 : 1, 5), secretContext, namespace),
      ...(secretContext === undefined ? {} : { secretContext }),
      ...(includes.length === 0 ? {} : { includeSecrets: includes }),
    };
  }

  /** A path and settings that mostly fit each other: new, somebody's, a stranger's, or a bad one. */
  private place(wanted?: 'v1' | 'v2'): Pick<PlannedSpec, 'path' | 'kvSettings'> {
    const { random } = this;
    const mounts = Object.entries(MOUNTS).filter(([, version]) => wanted === undefined || version === wanted);
    const [mount, engineVersion] = random.pick(mounts);
    const pinned = engineVersion === 'v2' && random.chance(0.2) ? { casIndex: random.int(0, 2) } : {};
    const kvSettings = { engineVersion, ...pinned };
    const prefix = engineVersion === 'v2' ? `${mount}/data` : mount;
    const kind = random.weighted({ new: 80, taken: 7, strangers: 8, bad: 2 });
    const fitting = (paths: readonly string[]): string[] =>
      paths.filter((path) => path.startsWith(`${prefix}/`));
    const taken = fitting(this.secrets.map(({ spec }) => spec.path ?? ''));
    const strange = fitting(this.strangers);
    if (kind === 'taken' && taken.length > 0) return { path: random.pick(taken), kvSettings };
    if (kind === 'strangers' && strange.length > 0) return { path: random.pick(strange), kvSettings };
    if (kind === 'bad') return { path: `${prefix}/../climbs`, kvSettings };
    this.paths += 1;
    return { path: `${prefix}/app-${String(this.paths)}`, kvSettings };
  }

  private items(count: number, ownContext: Context | undefined, namespace: string): PlannedItem[] {
    const { random } = this;
    const keys = new Set(Array.from({ length: count }, () => random.pick(KEYS)));
    return [...keys].map((key): PlannedItem => {
      const kind = random.weighted({
        good: 74,
        fragile: namespace === GUARDED ? 0 : 8,
        'wrong context': 4,
        'not base64': 2,
        'not text': 2,
        none: 4,
        empty: 6,
      });
      const secretContext = random.chance(0.2) ? random.pick(CONTEXTS) : undefined;
      const own = secretContext === undefined ? { key } : { key, secretContext };
      if (kind === 'empty') return { ...own, emptySecret: true, value: { kind } };
      if (kind === 'none' || kind === 'not base64' || kind === 'not text') return { ...own, value: { kind } };
      const context = kind === 'wrong context' ? { wrong: 'context' } : (secretContext ?? ownContext ?? {});
      return { ...own, value: { kind, plaintext: this.value(key), context } };
    });
  }

  private stranger(): Action {
    const [mount, engine] = this.random.pick(Object.entries(MOUNTS));
    const path = `${engine === 'v2' ? `${mount}/data` : mount}/stranger-${String(this.strangers.length)}`;
    this.strangers.push(path);
    return { do: 'stranger', path, value: this.value('stranger') };
  }

  /** Never the same twice, so that every value shows where it comes from. */
  private value(what: string): string {
    this.values += 1;
    return `${CANARY}${String(this.values)}-${what}-${this.random.int(0, 2 ** 31).toString(36)}`;
  }
}

function applyOf({ target, spec, finalizer }: PlannedSecret): Action {
  return { do: 'apply', target, spec, finalizer };
}

/** The K/V version that a path can be written with; undefined: with none. */
export function engineAt(path: string): 'v1' | 'v2' | undefined {
  const found = Object.entries(MOUNTS).find(([mount]) => path.startsWith(`${mount}/`));
  if (found === undefined) return undefined;
  const [mount, engine] = found;
  return engine === 'v1' || path.startsWith(`${mount}/data/`) ? engine : undefined;
}
