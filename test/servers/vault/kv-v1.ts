import { parseSeconds } from './fields.js';
import type { Mount } from './mounts.js';
import { badRequest, NO_CONTENT, notFound, type VaultAnswer, type VaultCall } from './protocol.js';
import { objectText } from './raw-json.js';
import { SYSTEM_TTL_SECONDS } from './tokens.js';

/** K/V version 1: one value per path, replaced as a whole, and whatever was sent is stored as it is. */
export class KvV1 implements Mount {
  /** By path; the members as raw JSON. */
  readonly secrets = new Map<string, ReadonlyMap<string, string>>();

  /** For tests: called synchronously after each change, with the operation. */
  onChange: ((call: VaultCall) => void) | undefined;

  constructor(readonly type: 'kv' | 'generic' = 'kv') {}

  exists(path: string): boolean {
    return this.secrets.has(path);
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
    switch (call.operation) {
      case 'read': {
        const secret = this.secrets.get(call.path);
        if (secret === undefined) throw notFound();
        return { status: 200, data: objectText(secret), leaseDuration: leaseOf(secret) };
      }
      case 'create':
      case 'update':
        if (call.path === '') throw badRequest('missing path');
        if (call.body.size === 0) throw badRequest('missing data fields');
        this.secrets.set(call.path, call.body);
        return NO_CONTENT;
      case 'delete':
        this.secrets.delete(call.path);
        return NO_CONTENT;
    }
  }

  wipe(): void {
    this.secrets.clear();
  }
}

/** A key `ttl` in the data sets the lease duration; otherwise the system default applies. */
function leaseOf(secret: ReadonlyMap<string, string>): number {
  const raw = secret.get('ttl') ?? secret.get('lease');
  const seconds = raw === undefined ? undefined : parseSeconds(JSON.parse(raw) as unknown);
  return seconds === undefined || seconds <= 0 ? SYSTEM_TTL_SECONDS : seconds;
}
