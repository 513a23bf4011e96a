import { inject, injectable } from 'tsyringe';

import { DELETE_FINALIZER, PARTIAL_KIND } from '../api/group.js';
import { printable } from '../api/printable.js';
import type {
  EncryptionContext,
  KMSVaultSecret,
  PartialKMSVaultSecret,
  SecretItem,
} from '../api/resources.js';
import { checkPartialSpec, definesValue, nonEmptyContext } from '../api/validation.js';
import type { ResourceCache, ResourceClient } from '../kube/resource-store.js';
import { TOKENS } from '../tokens.js';

/** One key of the desired secret and where its value comes from. */
export interface ResolvedKey {
  readonly key: string;
  /** Name of the partial; undefined for an item of the resource itself. */
  readonly partial: string | undefined;
  readonly value:
    | { readonly kind: 'empty' }
    | {
        readonly kind: 'encrypted';
        readonly encryptedSecret: string;
        readonly context: EncryptionContext;
        /** Tried once when `context` gives an invalid ciphertext; the Go operator knew only this one. */
        readonly fallbackContext?: EncryptionContext;
      };
}

/** The same key from two sources; the loser's value is used nowhere. */
export interface KeyConflict {
  readonly key: string;
  /** Names of partials, or undefined for the resource itself. */
  readonly winner: string | undefined;
  readonly loser: string | undefined;
}

/** An include that contributes nothing although it should. */
export interface UnusableInclude {
  readonly name: string;
  readonly why: 'missing' | 'invalid';
  readonly detail?: string;
}

/** What a resource wants to stand in Vault, before anything is decrypted. */
export interface Aggregate {
  readonly keys: ReadonlyMap<string, ResolvedKey>;
  /** The first of them; see `conflictsTotal`. */
  readonly conflicts: readonly KeyConflict[];
  readonly conflictsTotal: number;
  readonly unusableIncludes: readonly UnusableInclude[];
  /** Keys of items without a value: they define nothing, and what Vault holds for them stays. */
  readonly withoutValue: ReadonlySet<string>;
  /** Keys of partials that are being deleted with our finalizer: to be removed, whatever else is kept. */
  readonly withdrawn: ReadonlySet<string>;
}

/** More are counted only: a resource can include hundreds of partials with thousands of keys each. */
const MAX_CONFLICTS = 50;

interface Source {
  readonly partial: string | undefined;
  readonly items: readonly SecretItem[];
  readonly ownContext: EncryptionContext | undefined;
}

/** Merges a resource's own items with those of its included partials. */
@injectable()
export class SecretAggregator {
  constructor(
    @inject(TOKENS.cache) private readonly cache: ResourceCache,
    @inject(TOKENS.resources) private readonly client: Pick<ResourceClient, 'fetch'>,
  ) {}

  /**
   * A later include wins over an earlier one, and any include over the resource's own item, as in the
   * Go operator. Contexts replace each other: item, its own resource, the including resource.
   *
   * @param secret with a spec that `checkSecretSpec` found good.
   * @throws KubeError when a partial cannot be read; that is never taken for "missing".
   */
  async aggregate(secret: KMSVaultSecret): Promise<Aggregate> {
    const { namespace } = secret.metadata;
    const merge = new Merge(secret.spec.secretContext);
    merge.add({ partial: undefined, items: secret.spec.secrets ?? [], ownContext: undefined });
    for (const name of secret.spec.includeSecrets ?? []) {
      const partial = await this.partial(namespace, name);
      if (partial === undefined) {
        merge.unusable.push({ name, why: 'missing' });
        continue;
      }
      if (isGoing(partial)) {
        if (isWithdrawn(partial)) merge.withdraw(itemsOf(partial));
        // Nothing of ours holds it any more: its keys may have left Vault, and must not come back.
        else merge.unusable.push({ name, why: 'missing' });
        continue;
      }
      const checked = checkPartialSpec(partial.spec);
      if (!checked.ok) {
        const first = checked.problems[0];
        const detail = first === undefined ? '' : `${first.field} ${first.problem}`;
        merge.unusable.push({ name, why: 'invalid', detail: printable(detail) });
        continue;
      }
      // `null` is what some servers store for a list without entries.
      merge.add({ partial: name, items: checked.spec.secrets ?? [], ownContext: checked.spec.secretContext });
    }
    return merge.result();
  }

  /** The cache may lag behind a partial applied a moment ago, so "missing" is asked for once more. */
  private async partial(namespace: string, name: string): Promise<PartialKMSVaultSecret | undefined> {
    const cached = this.cache.partial(namespace, name);
    if (cached !== undefined) return cached;
    const live = await this.client.fetch({ kind: PARTIAL_KIND, namespace, name });
    return live?.kind === PARTIAL_KIND ? live : undefined;
  }
}

/** Being deleted with our finalizer: its keys are to leave Vault. */
export function isWithdrawn(partial: PartialKMSVaultSecret): boolean {
  return isGoing(partial) && (partial.metadata.finalizers ?? []).includes(DELETE_FINALIZER);
}

function isGoing({ metadata }: PartialKMSVaultSecret): boolean {
  return metadata.deletionTimestamp !== undefined;
}

/** The items of a partial whatever else is wrong with it. */
function itemsOf({ spec }: PartialKMSVaultSecret): SecretItem[] {
  const secrets: unknown = spec?.secrets;
  if (!Array.isArray(secrets)) return [];
  return secrets.filter(
    (item: unknown): item is SecretItem => typeof (item as SecretItem | null)?.key === 'string',
  );
}

class Merge {
  readonly unusable: UnusableInclude[] = [];
  private readonly keys = new Map<string, ResolvedKey>();
  private readonly conflicts: KeyConflict[] = [];
  private conflictsTotal = 0;
  private readonly includerContext: EncryptionContext | undefined;
  private readonly withoutValue = new Set<string>();
  private readonly withdrawn = new Set<string>();

  constructor(includerContext: EncryptionContext | undefined) {
    this.includerContext = nonEmptyContext(includerContext);
  }

  add({ partial, items, ownContext }: Source): void {
    const source = { partial, items, ownContext: nonEmptyContext(ownContext) };
    for (const item of source.items) {
      if (!definesValue(item)) {
        this.withoutValue.add(item.key);
        continue;
      }
      const before = this.keys.get(item.key);
      if (before !== undefined) {
        this.conflictsTotal += 1;
        if (this.conflictsTotal <= MAX_CONFLICTS) {
          this.conflicts.push({ key: item.key, winner: source.partial, loser: before.partial });
        }
      }
      this.keys.set(item.key, this.resolve(item, source));
    }
  }

  withdraw(items: readonly SecretItem[]): void {
    for (const item of items) this.withdrawn.add(item.key);
  }

  result(): Aggregate {
    const defined = (key: string): boolean => this.keys.has(key);
    return {
      keys: this.keys,
      conflicts: this.conflicts,
      conflictsTotal: this.conflictsTotal,
      unusableIncludes: this.unusable,
      withoutValue: new Set([...this.withoutValue].filter((key) => !defined(key))),
      withdrawn: new Set([...this.withdrawn].filter((key) => !defined(key))),
    };
  }

  private resolve(item: SecretItem, source: Source): ResolvedKey {
    const { key } = item;
    const { partial } = source;
    if (item.emptySecret === true) return { key, partial, value: { kind: 'empty' } };
    const encryptedSecret = item.encryptedSecret ?? '';
    const itemContext = nonEmptyContext(item.secretContext);
    const context = itemContext ?? source.ownContext ?? this.includerContext ?? {};
    const usesPartialsOwn = itemContext === undefined && source.ownContext !== undefined;
    return {
      key,
      partial,
      value: usesPartialsOwn
        ? { kind: 'encrypted', encryptedSecret, context, fallbackContext: this.includerContext ?? {} }
        : { kind: 'encrypted', encryptedSecret, context },
    };
  }
}
