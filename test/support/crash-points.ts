import type { EngineVersion } from '../../src/api/resources.js';
import type { ChangeOptions, KvSecret } from '../../src/vault/kv-store.js';
import { ReconcileFixture } from './reconcile-fixture.js';

/**
 * A fixture whose process can be killed after any of its requests: the request takes effect, its answer is
 * never seen, and nothing more leaves the process until {@link restart}.
 */
export class MortalFixture extends ReconcileFixture {
  private left = Number.POSITIVE_INFINITY;
  private dead = false;
  /** Events that the process had said when it died. */
  private said: number | undefined;

  constructor() {
    super();
    const open = this.vault.open.bind(this.vault);
    this.vault.open = async (path: string, engine: EngineVersion): Promise<KvSecret> => {
      const kv = await this.request(() => open(path, engine));
      return {
        engine: kv.engine,
        read: () => this.request(() => kv.read()),
        createdTimeOf: (version) => this.request(async () => await kv.createdTimeOf?.(version)),
        write: (data, cas, options?: ChangeOptions) => this.request(() => kv.write(data, cas, options)),
        remove: (options?: ChangeOptions) => this.request(() => kv.remove(options)),
      };
    };
    const decrypt = this.kms.decrypt.bind(this.kms);
    this.kms.decrypt = (request): Promise<string> => this.request(() => decrypt(request));
    const [fetch, updateStatus, removeFinalizer] = [
      this.fetch.bind(this),
      this.updateStatus.bind(this),
      this.removeFinalizer.bind(this),
    ];
    this.fetch = (...parameters) => this.request(() => fetch(...parameters));
    this.updateStatus = (...parameters) => this.request(() => updateStatus(...parameters));
    this.removeFinalizer = (...parameters) => this.request(() => removeFinalizer(...parameters));
  }

  /** Dies after so many more requests. */
  killAfter(requests: number): void {
    this.left = requests;
  }

  get isDead(): boolean {
    return this.dead;
  }

  override restart(): void {
    if (this.said !== undefined) this.events.splice(this.said);
    this.said = undefined;
    this.dead = false;
    this.left = Number.POSITIVE_INFINITY;
    super.restart();
  }

  private async request<T>(send: () => Promise<T>): Promise<T> {
    if (this.dead) throw new Error('the process is dead');
    const answer = await send();
    this.left -= 1;
    if (this.left > 0) return answer;
    this.dead = true;
    this.said ??= this.events.length;
    throw new Error('the process was killed');
  }
}
