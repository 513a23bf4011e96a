import type { Fault, FaultAction } from '../servers/shared/faults.js';
import type { SeenRequest } from '../servers/shared/request-log.js';
import { TestAuthority } from '../servers/shared/certificates.js';
import { KvV2 } from '../servers/vault/kv-v2.js';
import { OtherEngine } from '../servers/vault/mounts.js';
import type { FaultName } from './fault-names.js';
import { STRANGER } from './lease-terms.js';
import type { Oracle } from './oracle.js';
import type { MountReplacement, Span } from './vault-history.js';
import { MOUNTS } from './planner.js';
import { type ChaosFixture, LEASE, LEASE_NAMESPACE, type Replica } from './fixture.js';
import type { ChaosTimeline } from './timeline.js';

type Lift = () => Promise<void> | void;

const STATUS = (code: number, reason: string): string =>
  JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message: reason });

/** As Vault puts it (go-multierror around logical.ErrPermissionDenied). */
const PERMISSION_DENIED = JSON.stringify({ errors: ['1 error occurred:\n\t* permission denied\n\n'] });

/** Starts and lifts faults. */
export class FaultBench {
  private readonly active = new Map<FaultName, Promise<Lift>>();

  constructor(
    private readonly fixture: ChaosFixture,
    private readonly oracle: Oracle,
    private readonly timeline: ChaosTimeline,
  ) {}

  begin(fault: FaultName, draw: number): void {
    this.timeline.add(`fault begins: ${fault}`);
    this.active.set(fault, Promise.resolve(this.start(fault, draw)));
  }

  async end(fault: FaultName): Promise<void> {
    const lift = await this.active.get(fault);
    this.active.delete(fault);
    await lift?.();
    this.timeline.add(`fault is over: ${fault}`);
  }

  async endAll(): Promise<void> {
    for (const fault of [...this.active.keys()]) await this.end(fault);
  }

  /** @param draw in [0, 1): how hard, or whom. */
  private start(fault: FaultName, draw: number): Promise<Lift> | Lift {
    const [group] = fault.split(':');
    switch (group) {
      case 'process':
        return this.process(fault, draw);
      case 'kubernetes':
        return this.kubernetes(fault);
      case 'vault':
        return this.vault(fault, draw);
      case 'kms':
        return this.kms(fault, draw);
      default:
        return this.webhook(fault);
    }
  }

  private async process(fault: FaultName, draw: number): Promise<Lift> {
    const victim = this.victim(draw);
    switch (fault) {
      case 'process: kill':
        if (victim !== undefined) await this.kill(victim);
        return () => void this.fixture.startReplica();
      case 'process: freeze':
        this.timeline.add(`${victim?.name ?? 'nobody'} is frozen`);
        victim?.program.signal('SIGSTOP');
        return () => {
          victim?.program.signal('SIGCONT');
        };
      case 'process: rolling restart':
        return async () => {
          for (const replica of this.fixture.running) {
            replica.dismissed = true;
            this.timeline.add(`${replica.name} gets SIGTERM`);
            const code = await replica.program.stop();
            this.timeline.add(`${replica.name} ended with ${String(code)}`);
            this.fixture.startReplica();
          }
        };
      default:
        await this.stealLease();
        return () => undefined;
    }
  }

  /** The leader, mostly. */
  private victim(draw: number): Replica | undefined {
    const { running } = this.fixture;
    const leader = running.find(({ name }) => this.fixture.identityOf(name) === this.oracle.leases.holder);
    return draw < 0.75 && leader !== undefined ? leader : running.find((replica) => replica !== leader);
  }

  private async kill(replica: Replica): Promise<void> {
    replica.dismissed = true;
    this.timeline.add(`${replica.name} is killed`);
    replica.program.signal('SIGKILL');
    await replica.program.exited;
  }

  private async stealLease(): Promise<void> {
    const now = new Date().toISOString().replace(/Z$/, '000Z');
    const spec = { holderIdentity: STRANGER, leaseDurationSeconds: 3, acquireTime: now, renewTime: now };
    try {
      await this.fixture.kube.patch('Lease', LEASE_NAMESPACE, LEASE, { spec });
    } catch {
      this.timeline.add('the lease could not be stolen');
    }
  }

  private kubernetes(fault: FaultName): Promise<Lift> | Lift {
    const { kubernetes } = this.fixture.servers;
    const isOurs = (request: SeenRequest): boolean => this.fixture.processOf(request) !== undefined;
    const isRead = (request: SeenRequest): boolean => request.method === 'GET';
    const answering = (action: FaultAction, only: (request: SeenRequest) => boolean = () => true): Lift =>
      kubernetes.faults.inject({ matches: (request) => isOurs(request) && only(request), action });
    switch (fault) {
      case 'kubernetes: restart':
        return kubernetes.stop().then(() => () => kubernetes.restart());
      case 'kubernetes: cut watches':
        kubernetes.cutWatches();
        return () => undefined;
      case 'kubernetes: compact':
        kubernetes.compact();
        kubernetes.cutWatches();
        return () => undefined;
      case 'kubernetes: silent watches':
        return kubernetes.silenceWatches();
      case 'kubernetes: half-open watches':
        kubernetes.halfOpenWatches();
        // The device that drops the packets resets the connection at last; otherwise the inactivity limit notices.
        return () => {
          kubernetes.cutWatches();
        };
      case 'kubernetes: throttle':
        return answering({
          kind: 'answer',
          status: 429,
          headers: { 'retry-after': '1' },
          body: STATUS(429, 'TooManyRequests'),
        });
      case 'kubernetes: internal errors':
        return answering({ kind: 'answer', status: 500, body: STATUS(500, 'InternalError') });
      case 'kubernetes: failing status patches':
        return answering({ kind: 'answer', status: 500, body: STATUS(500, 'InternalError') }, (request) =>
          request.url.includes('/status'),
        );
      case 'kubernetes: forbidden status patches':
        return answering({ kind: 'answer', status: 403, body: STATUS(403, 'Forbidden') }, (request) =>
          request.url.includes('/status'),
        );
      case 'kubernetes: lost answers of patches':
        return answering({ kind: 'serve-then-reset' }, (request) => !isRead(request));
      default:
        return answering({ kind: 'reset' });
    }
  }

  private vault(fault: FaultName, draw: number): Promise<Lift> | Lift {
    const { vault } = this.fixture.servers;
    const all = (action: FaultAction, matches: Fault['matches'] = () => true): Lift =>
      vault.faults.inject({ matches, action });
    switch (fault) {
      case 'vault: seal':
        vault.seal();
        return () => {
          vault.unseal();
        };
      case 'vault: stop':
        return vault.stop().then(() => () => vault.restart());
      case 'vault: slow':
        // Less than lies between the renew deadline and the end of a lease.
        return all({ kind: 'delay', ms: 50 + draw * 1_500 });
      case 'vault: internal errors':
        return all({ kind: 'answer', status: 500, body: '{"errors":["internal error"]}' });
      case 'vault: throttle':
        return all({ kind: 'answer', status: 429, headers: { 'retry-after': '1' }, body: '{"errors":[]}' });
      case 'vault: lost answers':
        return all({ kind: 'serve-then-reset' }, (request) => request.method !== 'GET');
      case 'vault: revoke tokens':
        for (const token of this.tokensOfReplicas()) vault.revokeToken(token);
        return () => undefined;
      case 'vault: resets':
        return all({ kind: 'reset' });
      case 'vault: forbidden reads':
        return this.forbidReads();
      case 'vault: replace a mount':
        return this.replaceMount(draw);
      case 'vault: wipe':
        this.fixture.wipeVault();
        return () => undefined;
      default:
        return this.swapVaultCertificate();
    }
  }

  private forbidReads(): Lift {
    const span: Span = { fromMs: this.timeline.now() };
    this.oracle.forbiddenReads.push(span);
    const lift = this.fixture.servers.vault.faults.inject({
      matches: isReadOfSecret,
      action: { kind: 'answer', status: 403, body: PERMISSION_DENIED },
    });
    return () => {
      lift();
      span.toMs = this.timeline.now();
    };
  }

  /** By the other version of K/V, or by no K/V at all; then the mount comes back with all that it held. */
  private replaceMount(draw: number): Lift {
    const { oracle, timeline } = this;
    const mounts = Object.entries(MOUNTS);
    const [mount, engine] = mounts[Math.floor(draw * mounts.length)] ?? ['kv', 'v1'];
    const other = engine === 'v1' ? new KvV2(() => new Date()) : new OtherEngine('transit');
    const options = engine === 'v1' ? { version: '2' } : {};
    timeline.add(`${mount} is replaced by ${other.type}`);
    const replacement: MountReplacement = { mount, fromMs: timeline.now() };
    oracle.replacedMounts.push(replacement);
    const putBack = this.fixture.servers.vault.replaceMount(mount, other, options);
    return () => {
      putBack();
      replacement.toMs = timeline.now();
      timeline.add(`${mount} is back`);
      const isWritten = other instanceof KvV2 && other.secrets.size > 0;
      if (isWritten)
        oracle.report('paths', timeline.now(), `the engine in the place of ${mount} was written`);
    };
  }

  private tokensOfReplicas(): string[] {
    const { vault } = this.fixture.servers;
    return vault.tokens
      .all()
      .filter(({ policies }) => policies.includes('operator'))
      .map(({ id }) => id);
  }

  /** The file with the new authority comes when the fault is over. */
  private async swapVaultCertificate(): Promise<Lift> {
    const { vault } = this.fixture.servers;
    const authority = await TestAuthority.create();
    vault.replaceCertificate(await authority.issue());
    vault.cutConnections();
    return () => {
      this.fixture.trustVault(authority);
    };
  }

  private kms(fault: FaultName, draw: number): Lift {
    const { kms } = this.fixture.servers;
    const { fragileKey } = this.fixture;
    const all = (action: FaultAction): Lift => kms.faults.inject({ matches: () => true, action });
    switch (fault) {
      case 'kms: quota':
        kms.quotaPerSecond = 3 + Math.floor(draw * 12);
        return () => {
          kms.quotaPerSecond = undefined;
        };
      case 'kms: hang':
        return all({ kind: 'hang' });
      case 'kms: slow':
        kms.latencyMs = 50 + draw * 1_500;
        return () => {
          kms.latencyMs = 0;
        };
      case 'kms: internal errors':
        return all({
          kind: 'answer',
          status: 500,
          headers: { 'x-amzn-errortype': 'KMSInternalException' },
          body: '{"__type":"KMSInternalException"}',
        });
      case 'kms: disable a key':
        fragileKey.state = 'Disabled';
        return () => {
          fragileKey.state = 'Enabled';
        };
      case 'kms: deny a key':
        fragileKey.denied = true;
        return () => {
          fragileKey.denied = false;
        };
      default:
        return all({ kind: 'reset' });
    }
  }

  private async webhook(fault: FaultName): Promise<Lift> {
    switch (fault) {
      case 'webhook: swap the certificate':
        await this.fixture.writeWebhookPair();
        return () => undefined;
      case 'webhook: half-written certificate':
        await this.fixture.writeWebhookPair({ half: true });
        return () => this.fixture.writeWebhookPair();
      default:
        await this.fixture.killWebhook();
        return () => this.fixture.startWebhook();
    }
  }
}

function isReadOfSecret({ method, url }: SeenRequest): boolean {
  return method === 'GET' && Object.keys(MOUNTS).some((mount) => url.startsWith(`/v1/${mount}/`));
}
