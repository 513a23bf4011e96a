import type { Mount } from './mounts.js';
import { NO_CONTENT, NOT_FOUND, type VaultAnswer, type VaultCall, VaultFault } from './protocol.js';

/** K/V version 1: one value per path, replaced as a whole, and whatever was sent is stored as it is. */
export class KvV1 implements Mount {
  readonly type = 'kv';
  readonly options = { version: '1' };
  readonly secrets = new Map<string, ReadonlyMap<string, string>>();

  exists(path: string): boolean {
    return this.secrets.has(path);
  }

  handle(call: VaultCall): VaultAnswer {
    switch (call.operation) {
      case 'read': {
        const secret = this.secrets.get(call.path);
        if (secret === undefined) throw NOT_FOUND;
        // The default lease of 32 days, which clients take as advice.
        return { status: 200, data: objectText(secret), leaseDuration: 2_764_800 };
      }
      case 'create':
      case 'update': {
        if (call.path === '') throw unsupported();
        const members = new Map([...call.body].filter(([name]) => name !== 'ttl' || call.body.size > 1));
        if (call.body.size === 0) throw new VaultFault(400, ['missing data fields']);
        this.secrets.set(call.path, members.size === 0 ? call.body : members);
        return NO_CONTENT;
      }
      case 'delete':
        this.secrets.delete(call.path);
        return NO_CONTENT;
      case 'list':
        return { status: 200, data: `{"keys":${JSON.stringify(keysBelow(this.secrets.keys(), call.path))}}` };
      case 'patch':
        throw unsupported();
    }
  }

  wipe(): void {
    this.secrets.clear();
  }
}

export function unsupported(): VaultFault {
  return new VaultFault(405, ['unsupported operation']);
}

export function objectText(members: ReadonlyMap<string, string>): string {
  // Go encodes maps with sorted keys.
  const sorted = [...members].sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${sorted.map(([name, raw]) => `${JSON.stringify(name)}:${raw}`).join(',')}}`;
}

/** Names directly below a folder; folders end with a slash. 404 when there is none. */
export function keysBelow(paths: Iterable<string>, folder: string): string[] {
  const prefix = folder === '' || folder.endsWith('/') ? folder : `${folder}/`;
  const names = new Set<string>();
  for (const path of paths) {
    if (!path.startsWith(prefix)) continue;
    const [first = '', ...rest] = path.slice(prefix.length).split('/');
    names.add(rest.length === 0 ? first : `${first}/`);
  }
  if (names.size === 0) throw NOT_FOUND;
  return [...names].sort();
}
