import { keysBelow, objectText, unsupported } from './kv-v1.js';
import type { Mount } from './mounts.js';
import {
  field,
  NO_CONTENT,
  NOT_FOUND,
  secondsField,
  type VaultAnswer,
  type VaultCall,
  VaultFault,
} from './protocol.js';
import { objectMembers } from './raw-members.js';

export interface StoredVersion {
  readonly createdTime: string;
  data: ReadonlyMap<string, string>;
  deletionTime: string;
  destroyed: boolean;
}

export interface StoredSecret {
  readonly createdTime: string;
  updatedTime: string;
  current: number;
  readonly versions: Map<number, StoredVersion>;
  casRequired: boolean;
  maxVersions: number;
  deleteVersionAfterSeconds: number;
  customMetadata: string;
}

const DEFAULT_MAX_VERSIONS = 10;
const VERBS = ['data', 'metadata', 'delete', 'undelete', 'destroy', 'config'];

/** K/V version 2: versions with check-and-set, deletion times and metadata. */
export class KvV2 implements Mount {
  readonly type = 'kv';
  readonly options = { version: '2' };
  readonly secrets = new Map<string, StoredSecret>();
  private config = { casRequired: false, maxVersions: 0, deleteVersionAfterSeconds: 0 };
  private lastNanos = 0n;

  constructor(private readonly now: () => Date) {}

  exists(path: string): boolean {
    const name = path.slice(path.indexOf('/') + 1);
    return this.secrets.has(name);
  }

  handle(call: VaultCall): VaultAnswer {
    const [verb = '', ...rest] = call.path.split('/');
    const name = rest.join('/');
    if (!VERBS.includes(verb) || (name === '' && verb !== 'config' && call.operation !== 'list')) {
      // Tried: a versioned mount answers everything else with 404 and a warning.
      return {
        status: 404,
        warnings: [
          'Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use.',
        ],
      };
    }
    switch (verb) {
      case 'data':
        return this.data(call, name);
      case 'metadata':
        return this.metadata(call, name);
      case 'config':
        return this.configure(call);
      default:
        return this.changeVersions(call, verb, name);
    }
  }

  wipe(): void {
    this.secrets.clear();
  }

  private data(call: VaultCall, name: string): VaultAnswer {
    switch (call.operation) {
      case 'read':
        return this.read(call, name);
      case 'create':
      case 'update':
        return this.write(call, name);
      case 'delete': {
        const version = this.secrets.get(name)?.versions.get(this.secrets.get(name)?.current ?? 0);
        if (version !== undefined && version.deletionTime === '') version.deletionTime = this.timestamp();
        return NO_CONTENT;
      }
      default:
        throw unsupported();
    }
  }

  private read(call: VaultCall, name: string): VaultAnswer {
    const secret = this.secrets.get(name);
    const asked = Number(call.query.get('version') ?? 0);
    const number = asked === 0 ? (secret?.current ?? 0) : asked;
    const version = secret?.versions.get(number);
    if (version === undefined) throw NOT_FOUND;
    const gone = version.destroyed || this.isPast(version.deletionTime);
    const data = gone ? 'null' : objectText(version.data);
    return {
      status: gone ? 404 : 200,
      data: `{"data":${data},"metadata":${this.versionText(secret, number)}}`,
    };
  }

  private write(call: VaultCall, name: string): VaultAnswer {
    const raw = call.body.get('data');
    if (raw === undefined || raw === 'null') throw new VaultFault(400, ['no data provided']);
    const data = parseMembers(raw);
    const options = call.body.has('options')
      ? (field(call, 'options') as { cas?: unknown } | null)
      : undefined;
    const secret = this.secrets.get(name) ?? this.newSecret();
    this.checkAndSet(options?.cas, secret);
    const number = secret.current + 1;
    const deleteAfter = secret.deleteVersionAfterSeconds || this.config.deleteVersionAfterSeconds;
    const createdTime = this.timestamp();
    secret.versions.set(number, {
      createdTime,
      data,
      deletionTime:
        deleteAfter > 0 ? new Date(Date.parse(createdTime) + deleteAfter * 1000).toISOString() : '',
      destroyed: false,
    });
    secret.current = number;
    secret.updatedTime = createdTime;
    const keep = secret.maxVersions || this.config.maxVersions || DEFAULT_MAX_VERSIONS;
    for (const old of secret.versions.keys()) if (old <= number - keep) secret.versions.delete(old);
    this.secrets.set(name, secret);
    return { status: 200, data: this.versionText(secret, number) };
  }

  private checkAndSet(cas: unknown, secret: StoredSecret): void {
    if (cas === undefined) {
      if (secret.casRequired || this.config.casRequired) {
        throw new VaultFault(400, ['check-and-set parameter required for this call']);
      }
      return;
    }
    if (!Number.isInteger(Number(cas)) || typeof cas === 'boolean')
      throw new VaultFault(400, ['error parsing check-and-set parameter']);
    if (Number(cas) !== secret.current) {
      throw new VaultFault(400, ['check-and-set parameter did not match the current version']);
    }
  }

  private metadata(call: VaultCall, name: string): VaultAnswer {
    if (call.operation === 'list') {
      return { status: 200, data: `{"keys":${JSON.stringify(keysBelow(this.secrets.keys(), name))}}` };
    }
    const secret = this.secrets.get(name);
    switch (call.operation) {
      case 'read': {
        if (secret === undefined) throw NOT_FOUND;
        return { status: 200, data: this.metadataText(secret) };
      }
      case 'create':
      case 'update': {
        const changed = secret ?? this.newSecret();
        if (call.body.has('cas_required')) changed.casRequired = field(call, 'cas_required') === true;
        if (call.body.has('max_versions')) changed.maxVersions = Number(field(call, 'max_versions'));
        if (call.body.has('delete_version_after'))
          changed.deleteVersionAfterSeconds = secondsField(call, 'delete_version_after');
        if (call.body.has('custom_metadata'))
          changed.customMetadata = call.body.get('custom_metadata') ?? 'null';
        this.secrets.set(name, changed);
        return NO_CONTENT;
      }
      case 'delete':
        this.secrets.delete(name);
        return NO_CONTENT;
      default:
        throw unsupported();
    }
  }

  private changeVersions(call: VaultCall, verb: string, name: string): VaultAnswer {
    if (call.operation !== 'create' && call.operation !== 'update') throw unsupported();
    const numbers = field(call, 'versions');
    if (!Array.isArray(numbers) || numbers.length === 0)
      throw new VaultFault(400, ['no version number provided']);
    for (const number of numbers) {
      const version = this.secrets.get(name)?.versions.get(Number(number));
      if (version === undefined || version.destroyed) continue;
      if (verb === 'delete') version.deletionTime = this.timestamp();
      if (verb === 'undelete') version.deletionTime = '';
      if (verb === 'destroy') {
        version.destroyed = true;
        version.data = new Map();
      }
    }
    return NO_CONTENT;
  }

  private configure(call: VaultCall): VaultAnswer {
    if (call.operation === 'read') {
      const { casRequired, maxVersions } = this.config;
      return {
        status: 200,
        data: JSON.stringify({
          cas_required: casRequired,
          delete_version_after: '0s',
          max_versions: maxVersions,
        }),
      };
    }
    if (call.operation !== 'create' && call.operation !== 'update') throw unsupported();
    if (call.body.has('cas_required')) this.config.casRequired = field(call, 'cas_required') === true;
    if (call.body.has('max_versions')) this.config.maxVersions = Number(field(call, 'max_versions'));
    if (call.body.has('delete_version_after'))
      this.config.deleteVersionAfterSeconds = secondsField(call, 'delete_version_after');
    return NO_CONTENT;
  }

  private newSecret(): StoredSecret {
    const createdTime = this.timestamp();
    return {
      createdTime,
      updatedTime: createdTime,
      current: 0,
      versions: new Map(),
      casRequired: false,
      maxVersions: 0,
      deleteVersionAfterSeconds: 0,
      customMetadata: 'null',
    };
  }

  private versionText(secret: StoredSecret | undefined, number: number): string {
    const version = secret?.versions.get(number);
    return (
      `{"created_time":"${version?.createdTime ?? ''}","custom_metadata":${secret?.customMetadata ?? 'null'},` +
      `"deletion_time":"${version?.deletionTime ?? ''}","destroyed":${String(version?.destroyed ?? false)},"version":${String(number)}}`
    );
  }

  private metadataText(secret: StoredSecret): string {
    const versions = [...secret.versions].map(([number, { createdTime, deletionTime, destroyed }]) => [
      String(number),
      { created_time: createdTime, deletion_time: deletionTime, destroyed },
    ]);
    return JSON.stringify({
      cas_required: secret.casRequired,
      created_time: secret.createdTime,
      current_version: secret.current,
      custom_metadata: JSON.parse(secret.customMetadata) as unknown,
      delete_version_after: `${String(secret.deleteVersionAfterSeconds)}s`,
      max_versions: secret.maxVersions,
      oldest_version: Math.min(...secret.versions.keys(), secret.current),
      updated_time: secret.updatedTime,
      versions: Object.fromEntries(versions) as unknown,
    });
  }

  private isPast(deletionTime: string): boolean {
    return deletionTime !== '' && Date.parse(deletionTime) <= this.now().getTime();
  }

  /** RFC 3339 with nanoseconds, as Vault; never the same twice. */
  private timestamp(): string {
    const date = this.now();
    let nanos = BigInt(date.getTime()) * 1_000_000n + (process.hrtime.bigint() % 1_000_000n);
    if (nanos <= this.lastNanos) nanos = this.lastNanos + 1n;
    this.lastNanos = nanos;
    const whole = new Date(Number(nanos / 1_000_000n)).toISOString();
    return `${whole.slice(0, 23)}${String(nanos % 1_000_000n).padStart(6, '0')}Z`;
  }
}

function parseMembers(raw: string): ReadonlyMap<string, string> {
  try {
    return objectMembers(raw);
  } catch {
    throw new VaultFault(400, ['no data provided']);
  }
}
