import { boolField, intField, objectField, secondsField } from './fields.js';
import { customMetadata } from './kv-v2-custom-metadata.js';
import { KvV2Config } from './kv-v2-config.js';
import {
  metadataText,
  newSecret,
  readText,
  type StoredSecret,
  Timestamps,
  versionText,
} from './kv-v2-secret.js';
import type { Mount } from './mounts.js';
import {
  badRequest,
  isWrite,
  NO_CONTENT,
  notFound,
  unsupportedOperation,
  type VaultAnswer,
  type VaultCall,
} from './protocol.js';

const DEFAULT_MAX_VERSIONS = 10;
const VERBS = ['data', 'metadata', 'delete', 'undelete', 'destroy'];
const WORD_OF = { read: 'get', delete: 'delete', create: 'put', update: 'put' };

/** K/V version 2: versions with check-and-set, deletion times and metadata. */
export class KvV2 implements Mount {
  readonly type = 'kv';
  readonly secrets = new Map<string, StoredSecret>();
  /** For tests: called synchronously after each change, with the operation. */
  onChange: ((call: VaultCall) => void) | undefined;
  private readonly times: Timestamps;
  private readonly config = new KvV2Config();

  constructor(now: () => Date) {
    this.times = new Timestamps(now);
  }

  exists(path: string): boolean {
    const [, verb, name = ''] = /^(data|metadata)\/(.*)$/.exec(path) ?? [];
    return verb === undefined || this.secrets.has(name);
  }

  isOpen(): boolean {
    return false;
  }

  needsSudo(): boolean {
    return false;
  }

  handle(call: VaultCall): VaultAnswer {
    const answer = this.serve(call);
    if (call.operation !== 'read') this.onChange?.(call);
    return answer;
  }

  private serve(call: VaultCall): VaultAnswer {
    const [verb = '', ...rest] = call.path.split('/');
    const name = rest.join('/');
    if (call.path === 'config') return this.config.handle(call);
    if (!VERBS.includes(verb)) return invalidPath(call);
    if (rest.length === 0) {
      return wrongPath('Non-listing operations on the root of a K/V v2 mount are not supported.');
    }
    switch (verb) {
      case 'data':
        return this.data(call, name);
      case 'metadata':
        return this.metadata(call, name);
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
        const secret = this.secrets.get(name);
        const version = secret?.versions.get(secret.current);
        if (version !== undefined && !version.destroyed && !this.times.isPast(version.deletionTime)) {
          version.deletionTime = this.times.next();
        }
        return NO_CONTENT;
      }
    }
  }

  private read(call: VaultCall, name: string): VaultAnswer {
    const secret = this.secrets.get(name);
    const asked = call.query.get('version') ?? '';
    if (!/^[-+]?\d*$/.test(asked)) {
      throw badRequest(
        `Field validation failed: error converting input for field "version": '' cannot parse value as 'int': strconv.ParseInt: invalid syntax`,
      );
    }
    const number = Number(asked) > 0 ? Number(asked) : (secret?.current ?? 0);
    const version = secret?.versions.get(number);
    if (secret === undefined || version === undefined) throw notFound();
    const isGone = version.destroyed || this.times.isPast(version.deletionTime);
    return { status: isGone ? 404 : 200, data: readText(secret, number, isGone) };
  }

  private write(call: VaultCall, name: string): VaultAnswer {
    const data = objectField(call, 'data');
    if (data === undefined) throw badRequest('no data provided');
    const secret = this.secrets.get(name) ?? newSecret(this.times.next());
    this.checkAndSet(objectField(call, 'options'), secret);
    return this.add(name, secret, data);
  }

  private add(name: string, secret: StoredSecret, data: ReadonlyMap<string, string> | null): VaultAnswer {
    const number = secret.current + 1;
    const deleteAfter = this.config.deleteAfter(secret.deleteVersionAfterSeconds);
    const createdTime =
      secret.current === 0 && !this.secrets.has(name) ? secret.createdTime : this.times.next();
    secret.versions.set(number, {
      createdTime,
      data: data ?? new Map(),
      isNull: data === null,
      deletionTime: deleteAfter > 0 ? this.times.after(createdTime, deleteAfter) : '',
      destroyed: false,
    });
    secret.current = number;
    secret.updatedTime = createdTime;
    // The larger one counts (tried).
    const keep = Math.max(secret.maxVersions, this.config.maxVersions) || DEFAULT_MAX_VERSIONS;
    for (const old of secret.versions.keys()) if (old <= number - keep) secret.versions.delete(old);
    if (number > keep) secret.oldest = number - keep + 1;
    this.secrets.set(name, secret);
    return { status: 200, data: versionText(secret, number) };
  }

  private checkAndSet(options: ReadonlyMap<string, string> | null | undefined, secret: StoredSecret): void {
    const raw = options?.get('cas');
    if (raw === undefined) {
      if (secret.casRequired || this.config.casRequired) {
        throw badRequest('check-and-set parameter required for this call');
      }
      return;
    }
    // Weakly typed, as Vault decodes it: "3", true, null and "" are numbers (recorded).
    const value = JSON.parse(raw) as unknown;
    const cas = typeof value === 'object' && value !== null ? NaN : Number(value);
    if (!Number.isInteger(cas)) throw badRequest('error parsing check-and-set parameter');
    if (cas !== secret.current) {
      throw badRequest('check-and-set parameter did not match the current version');
    }
  }

  private metadata(call: VaultCall, name: string): VaultAnswer {
    const secret = this.secrets.get(name);
    switch (call.operation) {
      case 'read':
        if (secret === undefined) throw notFound();
        return { status: 200, data: metadataText(secret) };
      case 'create':
      case 'update':
        return this.changeMetadata(call, name, secret ?? newSecret(this.times.next()));
      case 'delete':
        this.secrets.delete(name);
        return NO_CONTENT;
    }
  }

  private changeMetadata(call: VaultCall, name: string, secret: StoredSecret): VaultAnswer {
    const casRequired = boolField(call, 'cas_required');
    const maxVersions = intField(call, 'max_versions');
    const deleteAfter = secondsField(call, 'delete_version_after');
    const custom = customMetadata(call);
    const revision = intField(call, 'metadata_cas');
    // Without any field nothing is created (tried).
    if ([casRequired, maxVersions, deleteAfter, custom].every((field) => field === undefined))
      return NO_CONTENT;
    if (revision === undefined && this.config.metadataCasRequired) {
      throw badRequest('metadata check-and-set parameter required for this call');
    }
    if (revision !== undefined && revision !== secret.metadataVersion) {
      throw badRequest('metadata check-and-set parameter does not match the current version');
    }
    if (casRequired !== undefined) secret.casRequired = casRequired;
    // A uint32, which wraps around (tried).
    if (maxVersions !== undefined) secret.maxVersions = Number(BigInt.asUintN(32, BigInt(maxVersions)));
    if (deleteAfter !== undefined) secret.deleteVersionAfterSeconds = deleteAfter;
    if (custom !== undefined) secret.customMetadata = custom;
    secret.metadataVersion += 1;
    if (this.secrets.has(name)) secret.updatedTime = this.times.next();
    this.secrets.set(name, secret);
    if (casRequired !== false || !this.config.casRequired) return NO_CONTENT;
    const warning =
      '"cas_required" set to false, but is mandated by backend config. This value will be ignored.';
    return { status: 200, warnings: [warning] };
  }

  private changeVersions(call: VaultCall, verb: string, name: string): VaultAnswer {
    if (!isWrite(call.operation)) throw unsupportedOperation();
    const numbers = versionNumbers(call);
    if (numbers.length === 0) throw badRequest('no version number provided');
    for (const number of numbers) {
      const version = this.secrets.get(name)?.versions.get(number);
      if (version === undefined || version.destroyed) continue;
      if (verb === 'delete' && !this.times.isPast(version.deletionTime)) {
        version.deletionTime = this.times.next();
      }
      if (verb === 'undelete') version.deletionTime = '';
      if (verb === 'destroy') {
        version.destroyed = true;
        version.data = new Map();
      }
    }
    return NO_CONTENT;
  }
}

/** Accepts a number, a list or comma-separated text (recorded). */
function versionNumbers(call: VaultCall): number[] {
  const raw = call.body.get('versions');
  if (raw === undefined || raw === 'null' || raw.startsWith('{')) return [];
  const value = JSON.parse(raw) as unknown;
  const items: unknown[] = Array.isArray(value)
    ? value
    : typeof value === 'string'
      ? value.split(',')
      : [value];
  return items.map((item) => {
    const number = Number(item);
    if (Number.isInteger(number)) return number;
    throw badRequest(
      `Field validation failed: error converting input for field "versions": decoding failed due to the following error(s):\n\n'[0]' cannot parse value as 'int': strconv.ParseInt: invalid syntax`,
    );
  });
}

function invalidPath(call: VaultCall): VaultAnswer {
  return wrongPath(
    'Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to ' +
      `use. If using the Vault CLI, use 'vault kv ${WORD_OF[call.operation]}' for this operation.`,
  );
}

/** Recorded: 404 without `errors`, with a warning only. */
function wrongPath(warning: string): VaultAnswer {
  return { status: 404, warnings: [warning] };
}
