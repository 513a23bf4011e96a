import type { Change } from '../servers/kubernetes/storage.js';
import { keyOf } from '../servers/kubernetes/storage.js';
import { recordAt, sameJson, textAt } from '../servers/kubernetes/objects.js';
import type { SeenRequest } from '../servers/shared/request-log.js';
import type { KvV1 } from '../servers/vault/kv-v1.js';
import type { KvV2 } from '../servers/vault/kv-v2.js';
import type { VaultCall } from '../servers/vault/protocol.js';
import { isGoing, specOf, type Stored } from './desired.js';
import type { Oracle } from './oracle.js';
import { GUARDED, MOUNTS } from './planner.js';
import type { Activity } from './quiet.js';
import { type ChaosFixture, LEASE, processOfPolicies } from './fixture.js';
import type { ChaosTimeline } from './timeline.js';
import type { VaultChange } from './vault-history.js';

const SECRETS = 'k8s.patoarvizu.dev/kmsvaultsecrets';
const PARTIALS = 'k8s.patoarvizu.dev/partialkmsvaultsecrets';
const LEASES = 'coordination.k8s.io/leases';

/** Tells the oracle what the servers see, at the moment when they see it. */
export class Observer {
  /** Requests of replicas that cost something: writes, patches, decryptions. */
  readonly activity: Activity[] = [];
  vaultWrites = 0;

  constructor(
    private readonly fixture: ChaosFixture,
    private readonly oracle: Oracle,
    private readonly timeline: ChaosTimeline,
  ) {
    const { kubernetes, vault, kms } = fixture.servers;
    kubernetes.onChange((change) => {
      this.kubernetesChanged(change);
    });
    for (const [mount, engine] of Object.entries(MOUNTS)) {
      if (engine === 'v1') this.watchV1(mount, vault.kvV1(mount));
      else this.watchV2(mount, vault.kvV2(mount));
    }
    this.tap(vault.faults, (request) => {
      this.vaultAsked(request);
    });
    this.tap(kubernetes.faults, (request) => {
      this.kubernetesAsked(request);
    });
    this.tap(kms.faults, () => {
      this.spent('a request to KMS');
    });
  }

  /** A fault that hits nothing sees every request before anything else does. */
  private tap(
    faults: {
      inject: (fault: { matches: (request: SeenRequest) => boolean; action: { kind: 'reset' } }) => unknown;
    },
    see: (request: SeenRequest) => void,
  ): void {
    faults.inject({
      matches: (request) => {
        see(request);
        return false;
      },
      action: { kind: 'reset' },
    });
  }

  private spent(what: string): void {
    this.activity.push({ atMs: this.timeline.now(), what });
  }

  private vaultAsked(request: SeenRequest): void {
    const by = this.fixture.processOf(request);
    const path = request.url.replace(/^\/v1\//, '');
    const isOnMount = Object.keys(MOUNTS).some((mount) => path.startsWith(`${mount}/`));
    if (by === undefined || request.method === 'GET' || !isOnMount) return;
    const what = `${request.method} ${path}`;
    this.spent(`${by}: ${what}`);
    this.oracle.writeArrived(by, this.timeline.now(), what);
  }

  private kubernetesAsked(request: SeenRequest): void {
    const by = this.fixture.processOf(request);
    if (by === undefined || request.method === 'GET' || !request.url.includes('/apis/k8s.patoarvizu.dev/'))
      return;
    const what = `${request.method} ${request.url}`;
    this.spent(`${by}: ${what}`);
    this.oracle.writeArrived(by, this.timeline.now(), what);
  }

  private kubernetesChanged({ place, type, object, previous }: Change): void {
    const atMs = this.timeline.now();
    const key = keyOf(object.metadata.namespace ?? '', object.metadata.name);
    const leak = this.fixture.scanner.find(JSON.stringify(object));
    if (leak !== undefined) this.oracle.report('secrecy', atMs, `${place} ${key} contains ${leak}`);
    if (place === LEASES && object.metadata.name === LEASE) {
      this.leaseChanged(recordAt(object, 'spec'), atMs);
      return;
    }
    if (place !== SECRETS && place !== PARTIALS) return;
    const history = place === SECRETS ? this.oracle.secrets : this.oracle.partials;
    history.record(key, type === 'DELETED' ? undefined : object, atMs);
    const isNewSpec = !sameJson(previous?.['spec'], object['spec']);
    if (type === 'DELETED') this.timeline.add(`${object.kind} ${key} is gone`, atMs);
    else if (isNewSpec || (isGoing(object) && (previous === undefined || !isGoing(previous)))) {
      const path = specOf(object).path;
      const what = isGoing(object) ? 'is being deleted' : `generation ${String(object.metadata.generation)}`;
      this.timeline.add(`${object.kind} ${key} ${what}${path === undefined ? '' : ` (${path})`}`, atMs);
    }
    // A partial's own items may rely on the context of whoever includes it.
    const isGuarded = place === SECRETS && object.metadata.namespace === GUARDED;
    if (type !== 'DELETED' && isNewSpec && isGuarded) this.oracle.admitted(key, object, atMs);
  }

  private leaseChanged(spec: Record<string, unknown>, atMs: number): void {
    const holder = textAt(spec, 'holderIdentity');
    if (holder !== (this.oracle.leases.holder ?? '')) {
      const name = this.fixture.replicas.find((one) => this.fixture.identityOf(one.name) === holder)?.name;
      this.timeline.add(
        holder === '' ? 'the lease is released' : `the lease goes to ${name ?? holder}`,
        atMs,
      );
    }
    this.oracle.leaseChanged({ atMs, holder, durationMs: Number(spec['leaseDurationSeconds'] ?? 0) * 1000 });
  }

  private watchV1(mount: string, engine: KvV1): void {
    engine.onChange = (call) => {
      const data = engine.secrets.get(call.path);
      this.vaultChanged({
        ...this.origin(call),
        path: `${mount}/${call.path}`,
        engine: 'v1',
        operation: call.operation === 'delete' ? 'remove' : 'write',
        data: data && textsOf(data),
        version: 0,
      });
    };
  }

  private watchV2(mount: string, engine: KvV2): void {
    engine.onChange = (call) => {
      const [verb = '', ...rest] = call.path.split('/');
      const name = rest.join('/');
      const secret = engine.secrets.get(name);
      const current = secret?.versions.get(secret.current);
      const isLive = current !== undefined && !current.destroyed && current.deletionTime === '';
      const options = call.body.get('options');
      const cas = options === undefined ? undefined : (JSON.parse(options) as { cas?: number }).cas;
      const isWrite = verb === 'data' && call.operation !== 'delete';
      this.vaultChanged({
        ...this.origin(call),
        path: `${mount}/data/${name}`,
        engine: 'v2',
        operation: isWrite
          ? 'write'
          : verb === 'metadata' && call.operation === 'delete'
            ? 'remove'
            : 'other',
        data: isLive ? textsOf(current.data) : undefined,
        version: secret?.current ?? 0,
        ...(cas === undefined ? {} : { cas }),
      });
    };
  }

  private origin({ token }: VaultCall): { atMs: number; by: string | undefined } {
    return { atMs: this.timeline.now(), by: processOfPolicies(token?.policies) };
  }

  private vaultChanged(change: VaultChange): void {
    if (change.by !== undefined) this.vaultWrites += 1;
    const version = change.version === 0 ? '' : ` version ${String(change.version)}`;
    const keys = change.data === undefined ? 'nothing' : [...change.data.keys()].join(' ');
    this.timeline.add(
      `${change.by ?? 'a hand'}: ${change.operation} ${change.path}${version}: ${keys}`,
      change.atMs,
    );
    this.oracle.vaultChanged(change);
  }
}

function textsOf(members: ReadonlyMap<string, string>): Stored {
  return new Map(
    [...members].map(([key, raw]) => {
      const value: unknown = JSON.parse(raw);
      return [key, typeof value === 'string' ? value : `json ${raw}`];
    }),
  );
}
