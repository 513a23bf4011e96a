import { inject, injectable } from 'tsyringe';

import type { AllowedPaths } from '../api/allowed-paths.js';
import { printable } from '../api/printable.js';
import type { KMSVaultSecret } from '../api/resources.js';
import type { ResourceCache } from '../kube/resource-store.js';
import { TOKENS } from '../tokens.js';
import { placeOf } from './place.js';

export interface PathClaim {
  readonly owner: KMSVaultSecret;
  /** The other resources with the same path, oldest first. */
  readonly others: readonly KMSVaultSecret[];
}

/**
 * Decides which resource writes a path that several name: the oldest by creation time, then by namespace/name. Only
 * resources that could be written compete; one that is being deleted, or whose spec or path is invalid, blocks
 * nobody.
 */
@injectable()
export class PathOwnership {
  constructor(
    @inject(TOKENS.cache) private readonly cache: ResourceCache,
    @inject(TOKENS.allowedPaths) private readonly allowedPaths: AllowedPaths,
  ) {}

  /** @param path normalised; `secret` itself always competes. */
  claim(path: string, secret: KMSVaultSecret): PathClaim {
    const rivals = this.competitors(path).filter((other) => other.metadata.uid !== secret.metadata.uid);
    const [owner = secret, ...others] = [secret, ...rivals].sort(byAge);
    return { owner, others };
  }

  /** The owner of a path among the resources in the cache; undefined if none that could be written names it. */
  ownerAt(path: string): KMSVaultSecret | undefined {
    return this.competitors(path).sort(byAge)[0];
  }

  private competitors(path: string): KMSVaultSecret[] {
    return this.liveAt(path)
      .filter((candidate) => placeOf(candidate) !== undefined)
      .filter((candidate) => this.allowedPaths.allows(path, candidate.metadata.namespace));
  }

  /** Resources that name the path and are not being deleted, whether they can be written or not. */
  liveAt(path: string): KMSVaultSecret[] {
    return this.cache
      .secretsAtPath(path)
      .filter((candidate) => candidate.metadata.deletionTimestamp === undefined);
  }
}

export function qualifiedName({ metadata }: KMSVaultSecret): string {
  return printable(`${metadata.namespace}/${metadata.name}`);
}

function byAge(a: KMSVaultSecret, b: KMSVaultSecret): number {
  return (
    compare(a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? '') ||
    compare(`${a.metadata.namespace}/${a.metadata.name}`, `${b.metadata.namespace}/${b.metadata.name}`)
  );
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
