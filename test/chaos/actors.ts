import { randomBytes } from 'node:crypto';

import type { Json, JsonAnswer } from '../support/http-json.js';
import { FINALIZER, type Item } from './desired.js';
import type { Action, Drift, PlannedItem, PlannedSpec, Target } from './plan.js';
import { MOUNTS } from './planner.js';
import type { ChaosFixture } from './fixture.js';
import type { ChaosTimeline } from './timeline.js';

const PLURALS = { KMSVaultSecret: 'kmsvaultsecrets', PartialKMSVaultSecret: 'partialkmsvaultsecrets' };
/** Users try again while the API server or the webhook is away. */
const RETRY_MS = 250;
const PATIENCE_MS = 40_000;

/** The users who apply and delete, and the hands that change Vault. */
export class Actors {
  /** What is done to one object or path is done in order. */
  private readonly lanes = new Map<string, Promise<void>>();
  done = 0;
  refused = 0;

  constructor(
    private readonly fixture: ChaosFixture,
    private readonly timeline: ChaosTimeline,
  ) {}

  act(action: Exclude<Action, { do: 'fault' }>): void {
    const lane = 'target' in action ? nameOf(action.target) : action.path;
    const before = this.lanes.get(lane) ?? Promise.resolve();
    const after = before
      .then(() => this.perform(action))
      .catch((error: unknown) => {
        this.timeline.add(
          `${action.do} of ${lane} was given up: ${error instanceof Error ? error.message : ''}`,
        );
      });
    this.lanes.set(lane, after);
  }

  async settled(): Promise<void> {
    await Promise.all(this.lanes.values());
  }

  private async perform(action: Exclude<Action, { do: 'fault' }>): Promise<void> {
    this.done += 1;
    switch (action.do) {
      case 'apply': {
        const metadata = action.finalizer ? { finalizers: [FINALIZER] } : {};
        await this.put(action.target, this.sealSpec(action.spec), metadata);
        return;
      }
      case 'delete':
        await this.send('DELETE', action.target);
        return;
      case 'bump': {
        const { spec } = (await this.send('GET', action.target))?.json ?? {};
        if (spec?.kvSettings?.engineVersion !== 'v2') return;
        const casIndex = this.versionAt(String(spec.path));
        await this.put(action.target, { ...spec, kvSettings: { ...spec.kvSettings, casIndex } });
        return;
      }
      case 'stranger':
        this.writeByHand(action.path, new Map([['theirs', JSON.stringify(action.value)]]));
        return;
      case 'drift':
        this.drift(action.path, action.how, action.value);
    }
  }

  /** Creates the object or replaces its spec; other fields, finalizers too, stay as they are. */
  private async put(target: Target, spec: object, metadata: object = {}): Promise<void> {
    const found = await this.send('GET', target);
    const base = { apiVersion: 'k8s.patoarvizu.dev/v1alpha1', kind: target.kind };
    const { namespace, name } = target;
    const created = { ...base, metadata: { name, namespace, ...metadata }, spec };
    const answer =
      found?.status === 200
        ? await this.send('PUT', target, { ...found.json, spec })
        : await this.send('POST', target, created);
    // Somebody was faster: once more.
    if (answer?.status === 409) await this.put(target, spec, metadata);
  }

  private async send(method: string, target: Target, body?: Json): Promise<JsonAnswer | undefined> {
    const collection = `/apis/k8s.patoarvizu.dev/v1alpha1/namespaces/${target.namespace}/${PLURALS[target.kind]}`;
    const path = method === 'POST' ? collection : `${collection}/${target.name}`;
    const untilMs = this.timeline.now() + PATIENCE_MS;
    while (this.timeline.now() < untilMs) {
      try {
        const answer = await this.fixture.kube.send(method, path, body);
        if (answer.status < 500 && answer.status !== 429) {
          if (answer.status >= 400 && ![404, 409].includes(answer.status)) {
            this.refused += 1;
            this.timeline.add(`${method} ${nameOf(target)} was refused with ${String(answer.status)}`);
          }
          return answer;
        }
      } catch {
        // The API server is away.
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
    return undefined;
  }

  private sealSpec({ secrets, ...rest }: PlannedSpec): object {
    return { ...rest, secrets: secrets.map((item) => this.sealItem(item)) };
  }

  private sealItem({ value, ...item }: PlannedItem): Item {
    const { sealed } = this.fixture;
    switch (value.kind) {
      case 'good':
      case 'fragile':
      case 'wrong context':
        return {
          ...item,
          encryptedSecret: sealed.seal(value.plaintext, value.context, value.kind === 'fragile'),
        };
      case 'not base64':
        return { ...item, encryptedSecret: '*not base64*' };
      case 'not text':
        return { ...item, encryptedSecret: sealed.sealBytes(item.secretContext ?? {}) };
      default:
        return item;
    }
  }

  private drift(path: string, how: Drift, value: string): void {
    const place = placeOf(path);
    if (place === undefined) return;
    const current = this.membersAt(path);
    const [first] = current.keys();
    const text = JSON.stringify(value);
    switch (how) {
      case 'change a key':
        this.writeByHand(path, new Map([...current, [first ?? 'theirs', text]]));
        return;
      case 'add a key':
        this.writeByHand(path, new Map([...current, [`theirs-${randomBytes(2).toString('hex')}`, text]]));
        return;
      case 'drop a key': {
        const rest = new Map([...current].slice(1));
        if (rest.size > 0) this.writeByHand(path, rest);
        return;
      }
      case 'write it anew':
        this.writeByHand(path, new Map([['theirs', text]]));
        return;
      case 'delete it':
        this.deleteByHand(place.engine === 'v2' ? path.replace('/data/', '/metadata/') : path);
        return;
      case 'delete the version':
        this.deleteByHand(path);
    }
  }

  private writeByHand(path: string, members: ReadonlyMap<string, string>): void {
    const place = placeOf(path);
    if (place === undefined) return;
    const text = `{${[...members].map(([key, raw]) => `${JSON.stringify(key)}:${raw}`).join(',')}}`;
    const body = place.engine === 'v2' ? new Map([['data', text]]) : members;
    this.engineAt(place).handle({
      operation: 'update',
      path: place.rest,
      query: new URLSearchParams(),
      body,
    });
  }

  private deleteByHand(path: string): void {
    const place = placeOf(path);
    if (place === undefined) return;
    this.engineAt(place).handle({
      operation: 'delete',
      path: place.rest,
      query: new URLSearchParams(),
      body: new Map(),
    });
  }

  private membersAt(path: string): ReadonlyMap<string, string> {
    const place = placeOf(path);
    const { vault } = this.fixture.servers;
    if (place === undefined) return new Map();
    if (place.engine === 'v1') return vault.kvV1(place.mount).secrets.get(place.rest) ?? new Map();
    const secret = vault.kvV2(place.mount).secrets.get(place.rest.slice('data/'.length));
    return secret?.versions.get(secret.current)?.data ?? new Map();
  }

  private versionAt(path: string): number {
    const place = placeOf(path);
    if (place?.engine !== 'v2') return 0;
    const name = place.rest.slice('data/'.length);
    return this.fixture.servers.vault.kvV2(place.mount).secrets.get(name)?.current ?? 0;
  }

  private engineAt({ mount, engine }: Place): { handle(call: Json): unknown } {
    const { vault } = this.fixture.servers;
    return engine === 'v1' ? vault.kvV1(mount) : vault.kvV2(mount);
  }
}

interface Place {
  readonly mount: string;
  readonly engine: 'v1' | 'v2';
  /** Below the mount. */
  readonly rest: string;
}

/** Undefined: not a path that a hand would write. */
function placeOf(path: string): Place | undefined {
  for (const [mount, engine] of Object.entries(MOUNTS)) {
    if (!path.startsWith(`${mount}/`) || path.includes('..')) continue;
    const rest = path.slice(mount.length + 1);
    const isWritable = engine === 'v1' || /^(data|metadata)\/./.test(rest);
    return isWritable ? { mount, engine, rest } : undefined;
  }
  return undefined;
}

function nameOf({ kind, namespace, name }: Target): string {
  return `${kind} ${namespace}/${name}`;
}
