import { goDuration } from './fields.js';
import { goJson, objectText } from './raw-json.js';

/** One version of a v2 secret. */
export interface StoredVersion {
  readonly createdTime: string;
  /** Members as raw JSON. */
  data: ReadonlyMap<string, string>;
  /** `{"data": null}` is a version too, and comes back as null (recorded). */
  readonly isNull: boolean;
  /** Empty, or when it was or will be deleted. */
  deletionTime: string;
  destroyed: boolean;
}

/** A v2 secret with its versions and metadata. */
export interface StoredSecret {
  readonly createdTime: string;
  updatedTime: string;
  current: number;
  /** The oldest version after pruning; 0 as long as nothing was pruned. */
  oldest: number;
  readonly versions: Map<number, StoredVersion>;
  casRequired: boolean;
  maxVersions: number;
  deleteVersionAfterSeconds: number;
  customMetadata: ReadonlyMap<string, string> | null;
  /** Counts the changes of the metadata; OpenBao only. */
  metadataVersion: number;
}

export function newSecret(createdTime: string): StoredSecret {
  return {
    createdTime,
    updatedTime: createdTime,
    current: 0,
    oldest: 0,
    versions: new Map(),
    casRequired: false,
    maxVersions: 0,
    deleteVersionAfterSeconds: 0,
    customMetadata: null,
    metadataVersion: 0,
  };
}

/** `data` of a read; null data when it was deleted or destroyed. */
export function readText(secret: StoredSecret, number: number, isGone: boolean): string {
  const version = secret.versions.get(number);
  const data = version === undefined || isGone || version.isNull ? 'null' : objectText(version.data);
  return `{"data":${data},"metadata":${versionText(secret, number)}}`;
}

/** What a write answers, and the `metadata` of a read. */
export function versionText(secret: StoredSecret, number: number): string {
  const version = secret.versions.get(number);
  return goJson({
    created_time: version?.createdTime ?? '',
    custom_metadata: customOf(secret),
    deletion_time: version?.deletionTime ?? '',
    destroyed: version?.destroyed ?? false,
    version: number,
  });
}

export function metadataText(secret: StoredSecret): string {
  const versions = [...secret.versions].map(([number, version]) => [
    String(number),
    { created_time: version.createdTime, deletion_time: version.deletionTime, destroyed: version.destroyed },
  ]);
  return goJson({
    cas_required: secret.casRequired,
    created_time: secret.createdTime,
    current_metadata_version: secret.metadataVersion,
    current_version: secret.current,
    custom_metadata: customOf(secret),
    delete_version_after: goDuration(secret.deleteVersionAfterSeconds),
    max_versions: secret.maxVersions,
    metadata_cas_required: false,
    oldest_version: secret.oldest,
    updated_time: secret.updatedTime,
    versions: Object.fromEntries(versions) as unknown,
  });
}

/** An object without a prototype: `__proto__` is a key like any other. */
function customOf({ customMetadata }: StoredSecret): object | null {
  if (customMetadata === null) return null;
  const object = Object.create(null) as Record<string, string>;
  for (const [key, value] of customMetadata) object[key] = value;
  return object;
}

/** RFC 3339 with nanoseconds, as Vault writes times; never the same twice. */
export class Timestamps {
  private lastNanos = 0n;

  constructor(private readonly now: () => Date) {}

  next(): string {
    let nanos = BigInt(this.now().getTime()) * 1_000_000n + (process.hrtime.bigint() % 1_000_000n);
    if (nanos <= this.lastNanos) nanos = this.lastNanos + 1n;
    this.lastNanos = nanos;
    return format(nanos);
  }

  /** A number of seconds after a time that {@link next} gave. */
  after(time: string, seconds: number): string {
    const fraction = BigInt(/\.(\d{9})Z$/.exec(time)?.[1] ?? 0);
    const whole = BigInt(Math.floor(Date.parse(time) / 1000) + seconds);
    return format(whole * 1_000_000_000n + fraction);
  }

  isPast(time: string): boolean {
    return time !== '' && Date.parse(time) <= this.now().getTime();
  }
}

function format(nanos: bigint): string {
  const whole = new Date(Number(nanos / 1_000_000n)).toISOString();
  return `${whole.slice(0, 19)}.${String(nanos % 1_000_000_000n).padStart(9, '0')}Z`;
}
