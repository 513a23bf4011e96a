import { inject, injectable } from 'tsyringe';

import { DELETE_FINALIZER, PARTIAL_KIND } from '../api/group.js';
import { printable } from '../api/printable.js';
import type {
  EncryptionContext,
  KMSVaultSecret,
  PartialKMSVaultSecret,
  SecretItem,
} from '../api/resources.js';
import type { RequiredContext } from '../api/required-context.js';
import { checkPartialSpec, definesValue, nonEmptyContext } from '../api/validation.js';
import { parseVaultPath } from '../api/vault-path.js';
import type { ResourceCache, ResourceClient } from '../kube/resource-store.js';
import { TOKENS } from '../tokens.js';
import { JudgedContexts } from './judged-contexts.js';
import type { ResolvedKey } from './resolved-key.js';

/** The same key from two sources; the value of the loser is not used. */
export interface KeyConflict {
  readonly key: string;
  /** Names of partials, or undefined for the resource itself. */
  readonly winner: string | undefined;
  readonly loser: string | undefined;
}

/** An include that should contribute keys but cannot. */
export interface UnusableInclude {
  readonly name: string;
  readonly why: 'missing' | 'invalid';
  readonly detail?: string;
}

/** The desired secret of a resource before decryption. */
export interface Aggregate {
  readonly keys: ReadonlyMap<string, ResolvedKey>;
  /** The first conflicts; see `conflictsTotal`. */
  readonly conflicts: readonly KeyConflict[];
  readonly conflictsTotal: number;
  readonly unusableIncludes: readonly UnusableInclude[];
  /** Keys of items without a value: they define nothing, and their values in Vault are kept. */
  readonly withoutValue: ReadonlySet<string>;
  /** Keys of partials that are being deleted with our finalizer: removed, whatever else is kept. */
  readonly withdrawn: ReadonlySet<string>;
  /** From key to what its encryption context lacks; whether such keys are refused depends on the mode. */
  readonly contextProblems: ReadonlyMap<string, string>;
}

/** More are only counted: a resource can include hundreds of partials with thousands of keys each. */
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
    @inject(TOKENS.requiredContext) private readonly required: RequiredContext,
  ) {}

  /**
   * A later include wins over an earlier one, and any include over the resource's own item, as in the Go operator.
   * The first context that exists is used: that of the item, its resource, the including resource.
   *
   * @param secret with a spec that `checkSecretSpec` accepted.
   * @throws KubeError when a partial cannot be read, which never counts as "missing".
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
        // Our finalizer is removed: its keys may have been removed from Vault and must not be written again.
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
      // Some servers store `null` for an empty list.
      merge.add({ partial: name, items: checked.spec.secrets ?? [], ownContext: checked.spec.secretContext });
    }
    return merge.result(this.judge(secret));
  }

  private judge({ metadata, spec }: KMSVaultSecret): JudgedContexts {
    const { namespace, name } = metadata;
    const parsed = parseVaultPath(spec.path);
    const path = parsed.ok ? parsed.path : spec.path;
    return new JudgedContexts(this.required.mode, {
      own: this.required.ofSecret({ namespace, name, path }),
      partial: this.required.ofPartial({ namespace }),
    });
  }

  /** The cache may not have a partial that was just created, so "missing" is confirmed with a live read. */
  private async partial(namespace: string, name: string): Promise<PartialKMSVaultSecret | undefined> {
    const cached = this.cache.partial(namespace, name);
    if (cached !== undefined) return cached;
    const live = await this.client.fetch({ kind: PARTIAL_KIND, namespace, name });
    return live?.kind === PARTIAL_KIND ? live : undefined;
  }
}

/** Being deleted with our finalizer: its keys must be removed from Vault. */
export function isWithdrawn(partial: PartialKMSVaultSecret): boolean {
  return isGoing(partial) && (partial.metadata.finalizers ?? []).includes(DELETE_FINALIZER);
}

function isGoing({ metadata }: PartialKMSVaultSecret): boolean {
  return metadata.deletionTimestamp !== undefined;
}

/** The items of a partial, even if the rest of it is invalid. */
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

  result(judged: JudgedContexts): Aggregate {
    const keys = judged.apply(this.keys);
    const defined = (key: string): boolean => this.keys.has(key);
    return {
      keys,
      contextProblems: judged.problems,
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
