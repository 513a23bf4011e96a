import { KvV1 } from './kv-v1.js';
import type { Mount } from './mounts.js';
import { badRequest, type VaultAnswer, type VaultCall } from './protocol.js';

/** A store of its own for each token; nobody else sees it, not even root. */
export class Cubbyhole implements Mount {
  readonly type = 'cubbyhole';
  private readonly holes = new Map<string, KvV1>();

  exists(): boolean {
    return true;
  }

  isOpen(): boolean {
    return false;
  }

  needsSudo(): boolean {
    return false;
  }

  handle(call: VaultCall): VaultAnswer {
    if (call.token === undefined || call.token.type === 'batch') {
      throw badRequest('cubbyhole operations are only supported by "service" type tokens');
    }
    const hole = this.holes.get(call.token.id) ?? new KvV1();
    this.holes.set(call.token.id, hole);
    const answer = hole.handle(call);
    return call.operation === 'read' ? { ...answer, leaseDuration: 0 } : answer;
  }

  wipe(): void {
    this.holes.clear();
  }
}
