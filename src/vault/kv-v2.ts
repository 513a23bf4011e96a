import type { Clock } from '../runtime/clock.js';
import { isMountGone, refusal } from './kv-answers.js';
import type { KvReading, KvSecret, KvVersion } from './kv-store.js';
import { objectMembers, parseSecretData, serializeSecretData } from './raw-json.js';
import type { SecretData } from './secret-data.js';
import type { VaultSession } from './vault-session.js';

interface Metadata {
  readonly version?: unknown;
  readonly created_time?: unknown;
  readonly deletion_time?: unknown;
  readonly destroyed?: unknown;
}

/** A secret of a K/V v2 engine: versions, written by check-and-set, removed with its metadata. */
export class KvV2Secret implements KvSecret {
  readonly engine = 'v2';

  constructor(
    private readonly deps: {
      readonly session: VaultSession;
      readonly clock: Clock;
      /** `<mount>/data/<name>`. */
      readonly path: string;
      /** `<mount>/metadata/<name>`. */
      readonly metadataPath: string;
      readonly onSurprise: () => void;
    },
  ) {}

  async read(signal?: AbortSignal): Promise<KvReading> {
    const { session, path } = this.deps;
    const answer = await session.request({ method: 'GET', path, operation: 'read', signal });
    if (answer.status === 200) return this.readingOf(answer.text);
    if (answer.status === 404) {
      // A deleted or destroyed version is answered with 404 and its metadata.
      if (hasData(answer.text)) return this.readingOf(answer.text);
      if (!isMountGone(answer.status, answer.text)) return { state: 'absent' };
    }
    return this.fail(answer, 'read', path);
  }

  async write(data: SecretData, cas: number | undefined, signal?: AbortSignal): Promise<KvVersion> {
    const { session, path } = this.deps;
    const options = cas === undefined ? '{}' : `{"cas":${String(cas)}}`;
    const body = `{"options":${options},"data":${serializeSecretData(data)}}`;
    const answer = await session.request({
      method: 'POST',
      path,
      operation: 'write',
      body,
      mutates: true,
      signal,
    });
    if (answer.status !== 200) return this.fail(answer, 'write', path);
    const metadata = JSON.parse(objectMembers(answer.text).get('data') ?? '{}') as Metadata;
    return versionOf(metadata);
  }

  async remove(signal?: AbortSignal): Promise<void> {
    const { session, metadataPath } = this.deps;
    const answer = await session.request({
      method: 'DELETE',
      path: metadataPath,
      operation: 'delete',
      mutates: true,
      signal,
    });
    const gone = answer.status === 404 && !isMountGone(answer.status, answer.text);
    if (answer.status !== 200 && answer.status !== 204 && !gone) this.fail(answer, 'delete', metadataPath);
  }

  private readingOf(text: string): KvReading {
    const envelope = objectMembers(objectMembers(text).get('data') ?? '{}');
    const metadata = JSON.parse(envelope.get('metadata') ?? '{}') as Metadata;
    const version = versionOf(metadata);
    const raw = envelope.get('data') ?? 'null';
    if (raw === 'null' || this.isDeleted(metadata)) return { state: 'deleted', version };
    return { state: 'live', data: parseSecretData(raw), version };
  }

  /** With `delete_version_after` a live version has a deletion time in the future. */
  private isDeleted({ destroyed, deletion_time: deletion }: Metadata): boolean {
    if (destroyed === true) return true;
    return (
      typeof deletion === 'string' &&
      deletion !== '' &&
      Date.parse(deletion) <= this.deps.clock.now().getTime()
    );
  }

  private fail(
    answer: { status: number; text: string },
    operation: 'read' | 'write' | 'delete',
    path: string,
  ): never {
    if (answer.status === 400 || answer.status === 404) this.deps.onSurprise();
    throw refusal(answer, operation, path);
  }
}

function versionOf({ version, created_time: created }: Metadata): KvVersion {
  return {
    version: typeof version === 'number' ? version : 0,
    createdTime: typeof created === 'string' ? created : '',
  };
}

function hasData(text: string): boolean {
  try {
    const data = objectMembers(text).get('data');
    return data !== undefined && data !== 'null' && objectMembers(data).has('metadata');
  } catch {
    return false;
  }
}
