import type { WatchedObject } from './watched-resource.js';

interface Known {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string | undefined;
  readonly name: string;
  readonly uid: string | undefined;
  readonly resourceVersion: string;
}

/** How a listed object compares to the known one; `REPLACED`: the same name with another uid. */
export type Seen = 'ADDED' | 'MODIFIED' | 'REPLACED' | 'SAME';

/**
 * What a watch has reported so far, one small entry per object: enough to find out after a list what changed and what
 * vanished meanwhile.
 */
export class KnownObjects {
  private readonly objects = new Map<string, Known>();
  private replaced: Known | undefined;
  private lastVersion: string | undefined;
  /** True from a list with lower versions until it is complete. */
  private rewound = false;

  idOf({ metadata }: WatchedObject): string {
    return `${metadata.namespace ?? ''}/${metadata.name}`;
  }

  /** Compares a listed object and takes it as the known one. */
  see(object: WatchedObject): Seen {
    const id = this.idOf(object);
    const known = this.objects.get(id);
    this.objects.set(id, entryOf(object));
    if (known === undefined) return 'ADDED';
    if (known.uid !== object.metadata.uid) {
      this.replaced = known;
      return 'REPLACED';
    }
    return known.resourceVersion === object.metadata.resourceVersion && !this.rewound ? 'SAME' : 'MODIFIED';
  }

  /** The incarnation that the last {@link see} replaced. */
  takeReplaced(): WatchedObject {
    if (this.replaced === undefined) throw new Error('nothing was replaced');
    const gone = identityOf(this.replaced);
    this.replaced = undefined;
    return gone;
  }

  record(type: 'ADDED' | 'MODIFIED' | 'DELETED', object: WatchedObject): void {
    if (type === 'DELETED') this.objects.delete(this.idOf(object));
    else this.objects.set(this.idOf(object), entryOf(object));
  }

  /** Forgets and returns what a complete list did not show: identities only, without spec or status. */
  takeMissing(seen: ReadonlySet<string>): WatchedObject[] {
    const missing: WatchedObject[] = [];
    for (const [id, known] of this.objects) {
      if (seen.has(id)) continue;
      this.objects.delete(id);
      missing.push(identityOf(known));
    }
    return missing;
  }

  /**
   * Whether a list's version lies below what was seen, as after a restore from a backup; says so once
   * per list.
   */
  isRewound(version: string): boolean {
    if (this.rewound || this.lastVersion === undefined || !isBelow(version, this.lastVersion)) return false;
    this.rewound = true;
    return true;
  }

  listedAt(version: string): void {
    this.rewound = false;
    this.lastVersion = version;
  }

  sawVersion(version: string): void {
    this.lastVersion = version;
  }
}

function entryOf({ apiVersion, kind, metadata }: WatchedObject): Known {
  const { namespace, name, uid, resourceVersion } = metadata;
  return { apiVersion, kind, namespace, name, uid, resourceVersion };
}

function identityOf({ apiVersion, kind, namespace, name, uid, resourceVersion }: Known): WatchedObject {
  return {
    apiVersion,
    kind,
    metadata: {
      name,
      ...(namespace !== undefined ? { namespace } : {}),
      ...(uid !== undefined ? { uid } : {}),
      resourceVersion,
    },
  };
}

function isBelow(version: string, than: string): boolean {
  return /^\d+$/.test(version) && /^\d+$/.test(than) && BigInt(version) < BigInt(than);
}
