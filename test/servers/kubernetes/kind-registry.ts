import { kindsOfCrd } from './crd.js';
import { apiVersionOf, BUILTIN_KINDS, CRD_PLACE, type ResourceKind, REVIEW_KINDS } from './kinds.js';
import type { Storage } from './storage.js';

/** The served kinds: built-in ones and those of established CRDs. */
export class KindRegistry {
  private custom: readonly ResourceKind[] = [];

  constructor(private readonly storage: Storage) {
    storage.subscribe(CRD_PLACE, () => {
      this.refresh();
    });
  }

  get all(): readonly ResourceKind[] {
    return [...BUILTIN_KINDS, ...this.custom];
  }

  get customKinds(): readonly ResourceKind[] {
    return this.custom;
  }

  find(group: string, version: string, plural: string): ResourceKind | undefined {
    const matches = (kind: ResourceKind): boolean =>
      kind.plural === plural && kind.version === version && kind.group === group;
    return BUILTIN_KINDS.find(matches) ?? this.custom.find(matches);
  }

  /** By kind, plural or `plural.group`; the oldest API first when several match. */
  byName(name: string): ResourceKind | undefined {
    return this.all.find(
      (kind) => kind.kind === name || kind.plural === name || `${kind.plural}.${kind.group}` === name,
    );
  }

  /** Every served group with its versions, the preferred one first; the core group is `''`. */
  groups(): Map<string, string[]> {
    const groups = new Map<string, string[]>();
    for (const { group, version } of [...this.all, ...REVIEW_KINDS]) {
      const versions = groups.get(group) ?? [];
      if (!versions.includes(version)) versions.push(version);
      groups.set(group, versions);
    }
    for (const versions of groups.values()) versions.sort(byPriority);
    return groups;
  }

  inVersion(group: string, version: string): ResourceKind[] {
    return this.all.filter((kind) => apiVersionOf(kind) === apiVersionOf({ group, version }));
  }

  private refresh(): void {
    this.custom = this.storage.list(CRD_PLACE).flatMap((crd) => kindsOfCrd(crd));
  }
}

/** GA before beta before alpha, then the higher number: the order of Kubernetes API versions. */
function byPriority(a: string, b: string): number {
  const rank = (version: string): readonly [number, number, number] => {
    const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version);
    if (match === null) return [0, 0, 0];
    const stability = match[2] === undefined ? 3 : match[2] === 'beta' ? 2 : 1;
    return [stability, Number(match[1]), Number(match[3] ?? 0)];
  };
  const [a0, a1, a2] = rank(a);
  const [b0, b1, b2] = rank(b);
  return b0 - a0 || b1 - a1 || b2 - a2 || (a < b ? -1 : 1);
}
