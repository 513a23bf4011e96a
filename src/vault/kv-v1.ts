import { answerMembers, notFound, refusal } from './vault-answers.js';
import type { ChangeOptions, KvReading, KvSecret } from './kv-store.js';
import { parseSecretData, serializeSecretData } from './raw-json.js';
import type { SecretData } from './secret-data.js';
import type { MountCheck } from './mount-check.js';
import type { SessionRequests, VaultResponse } from './vault-request.js';

/** A secret of a K/V v1 engine: read, replaced and deleted at one path. */
export class KvV1Secret implements KvSecret {
  readonly engine = 'v1';

  constructor(
    private readonly deps: {
      readonly session: SessionRequests;
      readonly path: string;
      readonly mount: MountCheck;
    },
  ) {}

  async read(signal?: AbortSignal): Promise<KvReading> {
    const { session, path, mount } = this.deps;
    const answer = await session.request({ method: 'GET', path, operation: 'read', signal });
    if (answer.status === 200) {
      const members = answerMembers(answer.text, 'read', path);
      answerMembers(members.get('data') ?? 'null', 'read', path);
      return { state: 'live', data: parseSecretData(members.get('data') ?? '{}') };
    }
    if (answer.status === 404 && notFound(answer.text) === 'secret') {
      mount.requireCheck();
      return { state: 'absent' };
    }
    if (answer.status === 403) mount.requireCheck();
    return this.fail(answer, 'read');
  }

  async write(
    data: SecretData,
    _cas: number | undefined,
    { guard, signal }: ChangeOptions = {},
  ): Promise<undefined> {
    const { session, path, mount } = this.deps;
    await mount.verify(signal);
    const body = serializeSecretData(data);
    const answer = await session.request({
      method: 'POST',
      path,
      operation: 'write',
      body,
      mutates: true,
      guard,
      signal,
    });
    if (answer.status !== 200 && answer.status !== 204) this.fail(answer, 'write');
  }

  async remove({ guard, signal }: ChangeOptions = {}): Promise<void> {
    const { session, path, mount } = this.deps;
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
    if (answer.status !== 200 && answer.status !== 204 && !gone) this.fail(answer, 'delete');
  }

  private fail(answer: VaultResponse, operation: 'read' | 'write' | 'delete'): never {
    if (answer.status === 400 || answer.status === 404) this.deps.mount.invalidate();
    throw refusal(answer, operation, this.deps.path);
  }
}
