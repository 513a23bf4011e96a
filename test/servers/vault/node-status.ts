import { randomUUID } from 'node:crypto';

import { badRequest, type VaultAnswer, VaultFault } from './protocol.js';
import { goStruct } from './raw-json.js';

const VERSION = '1.18.0';

export interface StatusRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly namespace: string;
  readonly body: string;
}

export function answersSealed(): VaultFault {
  return new VaultFault(503, ['Vault is sealed']);
}

/** Sealed or not, active or standby, and the endpoints that answer in every state. */
export class NodeStatus {
  sealed = false;
  /** A Vault before `sys/init`: sealed, and its health says why. */
  initialized = true;
  /** Where the active node is when this one is a standby. */
  activeUrl: string | undefined;
  isRecoverySecondary = false;
  private readonly clusterId = randomUUID();

  constructor(private readonly now: () => Date) {}

  get isClosed(): boolean {
    return this.sealed || !this.initialized;
  }

  /** @returns undefined for every other path. */
  answer(request: StatusRequest): VaultAnswer | undefined {
    const methods: Record<string, readonly string[]> = {
      'sys/health': ['GET', 'HEAD'],
      'sys/seal-status': ['GET'],
      'sys/leader': ['GET'],
      'sys/unseal': ['PUT', 'POST'],
    };
    const allowed = Object.hasOwn(methods, request.path) ? methods[request.path] : undefined;
    if (allowed === undefined) return undefined;
    if (!['', 'root', '/'].includes(request.namespace))
      throw badRequest('operation unavailable in namespaces');
    if (!allowed.includes(request.method)) throw new VaultFault(405, []);
    switch (request.path) {
      case 'sys/health':
        return this.health(request.query);
      case 'sys/leader':
        return this.leader();
      case 'sys/unseal':
        return this.unseal(request.body);
      default:
        return this.sealStatus();
    }
  }

  private health(query: URLSearchParams): VaultAnswer {
    const code = (name: string, usual: number): number => {
      const wanted = query.get(name);
      if (wanted === null) return usual;
      if (!/^\d{3}$/.test(wanted)) throw badRequest(`bad value: ${name}`);
      return Number(wanted);
    };
    const isStandby = this.activeUrl !== undefined;
    const isAccepted = isStandby && ['', 'true', '1'].includes(query.get('standbyok') ?? 'false');
    const active = code('activecode', 200);
    const standby = code('standbycode', 429);
    const open = isStandby && !isAccepted ? standby : active;
    const closed = this.initialized ? code('sealedcode', 503) : code('uninitcode', 501);
    const status = this.isClosed ? closed : open;
    const mode = this.isClosed || isStandby ? 'unknown' : 'disabled';
    return json(status, {
      initialized: this.initialized,
      sealed: this.isClosed,
      standby: this.isClosed || isStandby,
      performance_standby: false,
      replication_performance_mode: mode,
      replication_dr_mode: mode,
      server_time_utc: Math.floor(this.now().getTime() / 1000),
      version: VERSION,
      ...(this.isClosed ? {} : { cluster_name: 'vault-cluster-loopback', cluster_id: this.clusterId }),
    });
  }

  private leader(): VaultAnswer {
    if (this.isClosed) throw answersSealed();
    const isStandby = this.activeUrl !== undefined;
    return json(200, {
      ha_enabled: isStandby,
      is_self: false,
      active_time: '0001-01-01T00:00:00Z',
      leader_address: this.activeUrl ?? '',
      leader_cluster_address: '',
    });
  }

  /** Any key opens it: there is one share, and nothing is encrypted here. */
  private unseal(body: string): VaultAnswer {
    let request: { key?: unknown; reset?: unknown };
    try {
      request = JSON.parse(body) as typeof request;
    } catch {
      throw badRequest('failed to parse JSON input');
    }
    const key = typeof request.key === 'string' ? request.key : '';
    if (key === '' && request.reset !== true) {
      throw badRequest("'key' must be specified in request body as JSON, or 'reset' set to true");
    }
    if (!this.initialized) throw badRequest('Vault is not initialized');
    if (key !== '') this.sealed = false;
    return this.sealStatus();
  }

  private sealStatus(): VaultAnswer {
    return json(200, {
      type: 'shamir',
      initialized: this.initialized,
      sealed: this.isClosed,
      t: 1,
      n: 1,
      progress: 0,
      nonce: '',
      version: VERSION,
      build_date: '2024-10-08T09:12:52Z',
      migration: false,
      ...(this.isClosed ? {} : { cluster_name: 'vault-cluster-loopback', cluster_id: this.clusterId }),
      recovery_seal: false,
      storage_type: 'inmem',
    });
  }
}

function json(status: number, body: object): VaultAnswer {
  return { status, raw: `${goStruct(body)}\n` };
}
