import { answerMembers, notFound, refusal } from './vault-answers.js';
import { metadataBody, parseCustomMetadata, parseMetadata } from './kv-metadata.js';
import type {
  ChangeOptions,
  KvMetadata,
  KvMetadataChange,
  KvReading,
  KvSecret,
  KvVersion,
} from './kv-store.js';
import type { MountCheck } from './mount-check.js';
import { parseSecretData, serializeSecretData } from './raw-json.js';
import type { SecretData } from './secret-data.js';
import { VaultError } from './vault-error.js';
import type { SessionRequests, VaultResponse } from './vault-request.js';

interface Metadata {
  readonly version?: unknown;
  readonly created_time?: unknown;
  readonly destroyed?: unknown;
}

/** A secret of a K/V v2 engine: versions, written by check-and-set, removed with its metadata. */
export class KvV2Secret implements KvSecret {
  readonly engine = 'v2';

  constructor(
    private readonly deps: {
      readonly session: SessionRequests;
      /** `<mount>/data/<name>`. */
      readonly path: string;
      /** `<mount>/metadata/<name>`. */
      readonly metadataPath: string;
      readonly mount: MountCheck;
    },
  ) {}

  async read(signal?: AbortSignal): Promise<KvReading> {
    const { session, path, mount } = this.deps;
    const answer = await session.request({ method: 'GET', path, operation: 'read', signal });
    if (answer.status === 200) return this.readingOf(answer);
    if (answer.status === 404) {
      // A deleted or destroyed version is answered with 404 and its metadata (observed).
      if (hasMetadata(answer.text)) return this.readingOf(answer);
      if (notFound(answer.text) === 'secret') {
        mount.requireCheck();
        return { state: 'absent' };
      }
    }
    if (answer.status === 403) mount.requireCheck();
    return this.fail(answer, 'read', path);
  }

  async createdTimeOf(version: number, signal?: AbortSignal): Promise<string | undefined> {
    const { session, path } = this.deps;
    const answer = await session.request({ method: 'GET', path, operation: 'read', version, signal });
    const isKnown = answer.status === 200 || (answer.status === 404 && hasMetadata(answer.text));
    if (isKnown) {
      const reading = this.readingOf(answer);
      return reading.state === 'absent' ? undefined : reading.version?.createdTime;
    }
    if (answer.status === 404 && notFound(answer.text) === 'secret') return undefined;
    return this.fail(answer, 'read', path);
  }

  async write(
    data: SecretData,
    cas: number | undefined,
    { guard, signal }: ChangeOptions = {},
  ): Promise<KvVersion> {
    const { session, path, mount } = this.deps;
    // Without check-and-set Vault would overwrite any value.
    if (cas === undefined)
      throw new VaultError('rejected', 'a K/V v2 secret is written by version only', { path });
    await mount.verify(signal);
    const answer = await session.request({
      method: 'POST',
      path,
      operation: 'write',
      body: `{"options":{"cas":${String(cas)}},"data":${serializeSecretData(data)}}`,
      mutates: true,
      guard,
      signal,
    });
    if (answer.status !== 200) return this.fail(answer, 'write', path);
    const written = answerMembers(answer.text, 'write', path).get('data') ?? 'null';
    answerMembers(written, 'write', path);
    return versionOf(JSON.parse(written) as Metadata);
  }

  async remove(options: ChangeOptions = {}): Promise<void> {
    await this.delete(this.deps.metadataPath, options);
  }

  async removeLatest(options: ChangeOptions = {}): Promise<void> {
    await this.delete(this.deps.path, options);
  }

  async readMetadata(signal?: AbortSignal): Promise<KvMetadata | undefined> {
    const { session, metadataPath: path, mount } = this.deps;
    const answer = await session.request({ method: 'GET', path, operation: 'read', signal });
    if (answer.status === 200) return parseMetadata(answer.text, path);
    if (answer.status === 404 && notFound(answer.text) === 'secret') {
      mount.requireCheck();
      return undefined;
    }
    if (answer.status === 403) mount.requireCheck();
    return this.fail(answer, 'read', path);
  }

  async writeMetadata(change: KvMetadataChange, { guard, signal }: ChangeOptions = {}): Promise<void> {
    const { session, metadataPath: path, mount } = this.deps;
    await mount.verify(signal);
    const answer = await session.request({
      method: 'POST',
      path,
      operation: 'write',
      body: metadataBody(change),
      mutates: true,
      guard,
      signal,
    });
    // 200 brings warnings, such as that the mount requires check-and-set whatever the secret says.
    if (answer.status !== 200 && answer.status !== 204) this.fail(answer, 'write', path);
  }

  private async delete(path: string, { guard, signal }: ChangeOptions): Promise<void> {
    const { session, mount } = this.deps;
    await mount.confirm(signal);
    const answer = await session.request({
      method: 'DELETE',
      path,
      operation: 'delete',
      mutates: true,
      guard,
      signal,
    });
    const gone = answer.status === 404 && notFound(answer.text) === 'secret';
    if (answer.status !== 200 && answer.status !== 204 && !gone) this.fail(answer, 'delete', path);
  }

  /**
   * Vault returns data only for a live version. Its clock decides whether a `deletion_time` has passed; with
   * `delete_version_after` a live version has one in the future.
   */
  private readingOf({ status, text }: VaultResponse): KvReading {
    const { path } = this.deps;
    const envelope = answerMembers(answerMembers(text, 'read', path).get('data') ?? 'null', 'read', path);
    const raw = envelope.get('data') ?? 'null';
    const metadata = envelope.get('metadata') ?? 'null';
    const raws = answerMembers(metadata, 'read', path);
    const found = parseCustomMetadata(raws.get('custom_metadata') ?? 'null');
    const custom = found === undefined || found.size === 0 ? {} : { customMetadata: found };
    const facts = JSON.parse(metadata) as Metadata;
    const version = versionOf(facts);
    if (status === 404 || raw === 'null' || facts.destroyed === true) {
      return { state: 'deleted', version, ...custom };
    }
    answerMembers(raw, 'read', path);
    return { state: 'live', data: parseSecretData(raw), version, ...custom };
  }

  private fail(answer: VaultResponse, operation: 'read' | 'write' | 'delete', path: string): never {
    if (answer.status === 400 || answer.status === 404) this.deps.mount.invalidate();
    throw refusal(answer, operation, path);
  }
}

function versionOf({ version, created_time: created }: Metadata): KvVersion {
  return {
    version: typeof version === 'number' ? version : 0,
    createdTime: typeof created === 'string' ? created : '',
  };
}

function hasMetadata(text: string): boolean {
  const parsed = JSON.parse(text) as { data?: { metadata?: unknown } | null };
  return typeof parsed.data?.metadata === 'object' && parsed.data.metadata !== null;
}
