import { inject, injectable } from 'tsyringe';

import type { AllowedPaths } from '../api/allowed-paths.js';
import { printable } from '../api/printable.js';
import type { ClaimedPath, KMSVaultSecret } from '../api/resources.js';
import { parseVaultPath } from '../api/vault-path.js';
import { TOKENS } from '../tokens.js';
import type { KvReading, KvStore } from '../vault/kv-store.js';
import { VaultError } from '../vault/vault-error.js';
import type { ContentProof } from './content-proof.js';
import { createdAtSpec, statusPlace } from './known-state.js';
import { claimedPlace, isAsClaimed, readClaim } from './path-claims.js';
import { type Place, placeOf, samePlace } from './place.js';
import type { SyncMemory } from './sync-memory.js';

/** A place that keeps its value although this resource may have written it. */
export interface KeptPlace {
  readonly place: Place;
  readonly why: string;
}

/** What to do in Vault for a resource that is being deleted. */
export type DeletionPlan =
  | { readonly kind: 'remove'; readonly place: Place; readonly kept: readonly KeptPlace[] }
  /** `why` is set when no place is known. */
  | { readonly kind: 'keep'; readonly why: string; readonly kept: readonly KeptPlace[] };

/**
 * Decides what a finalizer may delete: only a value that is proven to belong to the resource. The memory of this
 * process is the newest source, then the status. A claim means that the result of a write is not known; it is
 * resolved by reading the place.
 */
@injectable()
export class DeletionPlanner {
  constructor(
    @inject(TOKENS.kvStore) private readonly store: KvStore,
    @inject(TOKENS.memory) private readonly memory: SyncMemory,
    @inject(TOKENS.proof) private readonly proof: ContentProof,
    @inject(TOKENS.allowedPaths) private readonly allowedPaths: AllowedPaths,
  ) {}

  /** @throws VaultError, KmsError, KubeError when this cannot be decided now. */
  async plan(secret: KMSVaultSecret, signal?: AbortSignal): Promise<DeletionPlan> {
    const { memory } = this;
    const { uid } = secret.metadata;
    const spec = placeOf(secret);
    const created = memory.held(uid)?.place ?? statusPlace(secret);
    const claim = readClaim(secret.status?.claim) ?? memory.claim(uid);
    const claimed = claimedPlace(claim);
    if (claim !== undefined && claimed !== undefined && !samePlace(claimed, created)) {
      // The path was changed and changed back, so the status is about the path in the spec.
      if (created !== undefined && samePlace(created, spec)) {
        return this.removal(secret, created, [
          { place: claimed, why: 'the path was changed away from it and back' },
        ]);
      }
      const planned = await this.planForClaim(secret, { claim, claimed, created }, signal);
      if (planned !== undefined) return planned;
    }
    if (created !== undefined) return this.removal(secret, created, []);
    if (secret.status?.created === true) return await this.unnamed(secret, spec, signal);
    return { kind: 'keep', why: 'there is no record that this resource wrote a value', kept: [] };
  }

  /** @returns undefined when nothing was written under the claim; the rest of the status then decides. */
  private async planForClaim(
    secret: KMSVaultSecret,
    { claim, claimed, created }: { claim: ClaimedPath; claimed: Place; created: Place | undefined },
    signal?: AbortSignal,
  ): Promise<DeletionPlan | undefined> {
    const older = created === undefined ? [] : [created];
    const refusal = this.refusal(secret, claimed);
    if (refusal !== undefined) return keepAll([claimed, ...older], refusal);
    const reading = await this.read(claimed, signal);
    if (typeof reading === 'string') return keepAll([claimed, ...older], reading);
    if (isAsClaimed(claim, reading)) return undefined;
    if (await this.proof.isOurs(secret, reading, signal)) {
      const why = `the path changed to ${claimed.path}`;
      return this.removal(
        secret,
        claimed,
        older.map((place) => ({ place, why })),
      );
    }
    return keepAll(
      [claimed, ...older],
      `${claimed.path} has changed since the resource claimed it, and its value is not the one that the resource describes now`,
    );
  }

  /** `created` without a path: it may be about another path than the one in the spec. */
  private async unnamed(
    secret: KMSVaultSecret,
    spec: Place | undefined,
    signal?: AbortSignal,
  ): Promise<DeletionPlan> {
    if (spec === undefined) {
      const path: unknown = (secret.spec as { path?: unknown } | undefined)?.path;
      const parsed = typeof path === 'string' ? parseVaultPath(path) : undefined;
      const why =
        parsed?.ok === false
          ? `path ${printable(String(path))} ${parsed.problem}`
          : 'its status does not say where it wrote, and its spec is not valid';
      return { kind: 'keep', why, kept: [] };
    }
    const refusal = this.refusal(secret, spec);
    if (refusal !== undefined) return { kind: 'keep', why: refusal, kept: [] };
    if (createdAtSpec(secret, this.memory)) return this.removal(secret, spec, []);
    const reading = await this.read(spec, signal);
    if (typeof reading === 'string') return keepAll([spec], reading);
    if (reading.state === 'absent') {
      return { kind: 'keep', why: `there is nothing at ${spec.path}`, kept: [] };
    }
    if (await this.proof.isOurs(secret, reading, signal)) return this.removal(secret, spec, []);
    return keepAll(
      [spec],
      'its status does not say where it wrote, and the value is not the one that it describes now',
    );
  }

  private removal(secret: KMSVaultSecret, place: Place, kept: readonly KeptPlace[]): DeletionPlan {
    const refusal = this.refusal(secret, place);
    return refusal === undefined ? { kind: 'remove', place, kept } : { kind: 'keep', why: refusal, kept };
  }

  private refusal({ metadata }: KMSVaultSecret, { path }: Place): string | undefined {
    const parsed = parseVaultPath(path);
    if (!parsed.ok) return `path ${printable(path)} ${parsed.problem}`;
    if (parsed.path !== path) return `path ${printable(path)} is not normalised`;
    if (this.allowedPaths.allows(path, metadata.namespace)) return undefined;
    return `path ${path} is outside --allowed-vault-paths`;
  }

  /** @returns why the place cannot be read, if an administrator must change that. */
  private async read({ path, engine }: Place, signal?: AbortSignal): Promise<KvReading | string> {
    try {
      const kv = await this.store.open(path, engine, signal);
      return await kv.read(signal);
    } catch (error) {
      if (!(error instanceof VaultError) || error.retry === 'soon') throw error;
      return error.isDenied ? `the token has no read permission on ${path}` : error.message;
    }
  }
}

function keepAll(places: readonly Place[], why: string): DeletionPlan {
  return { kind: 'keep', why, kept: places.map((place) => ({ place, why })) };
}

/**
 * Whether a finalizer deletes only the current version (`deletion: latest`). An unknown value, which a server without
 * validation may have stored, deletes less rather than more.
 */
export function keepsHistory({ spec }: KMSVaultSecret, { engine }: Place): boolean {
  const settings = (spec as { kvSettings?: { deletion?: unknown } | null } | undefined)?.kvSettings;
  const deletion = settings?.deletion ?? 'all';
  return engine === 'v2' && deletion !== 'all';
}

/** The `vault` command that deletes the value of a place. */
export function manualDeleteCommand({ path, engine }: Place, onlyLatest = false): string {
  const name = engine === 'v2' ? path.replace('/data/', '/') : path;
  const quoted = /^[\w./-]+$/.test(name) ? name : `'${printable(name).replaceAll("'", String.raw`'\''`)}'`;
  if (engine === 'v1') return `vault delete ${quoted}`;
  return onlyLatest ? `vault kv delete ${quoted}` : `vault kv metadata delete ${quoted}`;
}
