import { isMountGone, refusal } from './kv-answers.js';
import type { KvReading, KvSecret } from './kv-store.js';
import { objectMembers, parseSecretData, serializeSecretData } from './raw-json.js';
import type { SecretData } from './secret-data.js';
import type { VaultSession } from './vault-session.js';

/** A secret of a K/V v1 engine: read, replaced and deleted at one path. */
export class KvV1Secret implements KvSecret {
  readonly engine = 'v1';

  constructor(
    private readonly deps: {
      readonly session: VaultSession;
      readonly path: string;
      /** An answer that does not fit what is known of the mount. */
      readonly onSurprise: () => void;
    },
  ) {}

  async read(signal?: AbortSignal): Promise<KvReading> {
    const { session, path } = this.deps;
    const answer = await session.request({ method: 'GET', path, operation: 'read', signal });
    if (answer.status === 200) {
      return { state: 'live', data: parseSecretData(objectMembers(answer.text).get('data') ?? '{}') };
    }
    if (answer.status === 404 && !isMountGone(answer.status, answer.text)) return { state: 'absent' };
    return this.fail(answer, 'read');
  }

  async write(data: SecretData, _cas: number | undefined, signal?: AbortSignal): Promise<undefined> {
    const { session, path } = this.deps;
    const body = serializeSecretData(data);
    const answer = await session.request({
      method: 'POST',
      path,
      operation: 'write',
      body,
      mutates: true,
      signal,
    });
    if (answer.status !== 200 && answer.status !== 204) this.fail(answer, 'write');
  }

  async remove(signal?: AbortSignal): Promise<void> {
    const { session, path } = this.deps;
    const answer = await session.request({
      method: 'DELETE',
      path,
      operation: 'delete',
      mutates: true,
      signal,
    });
    const gone = answer.status === 404 && !isMountGone(answer.status, answer.text);
    if (answer.status !== 200 && answer.status !== 204 && !gone) this.fail(answer, 'delete');
  }

  private fail(answer: { status: number; text: string }, operation: 'read' | 'write' | 'delete'): never {
    if (answer.status === 400 || answer.status === 404) this.deps.onSurprise();
    throw refusal(answer, operation, this.deps.path);
  }
}
