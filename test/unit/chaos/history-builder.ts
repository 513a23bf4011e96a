import { engineAt } from '../../chaos/planner.js';
import { unconverged } from '../../chaos/convergence.js';
import { FINALIZER, type Item, type Spec } from '../../chaos/desired.js';
import { Oracle } from '../../chaos/oracle.js';
import { SealedValues } from '../../chaos/sealed-values.js';
import type { VaultChange } from '../../chaos/vault-history.js';
import type { KubeObject } from '../../servers/kubernetes/objects.js';

interface ObjectOptions {
  readonly finalizer?: boolean;
  readonly going?: boolean;
  readonly created?: string;
  readonly status?: object;
  readonly uid?: string;
}

/** A history of the servers, written by hand, with an oracle that reads it. The leader is `r1`. */
export class HistoryBuilder {
  readonly sealed = new SealedValues({ id: 'f'.repeat(36), material: Buffer.alloc(32, 7) });
  readonly oracle = new Oracle({
    sealed: (ciphertext) => this.sealed.get(ciphertext),
    identityOf: (process) => `${process}_identity`,
  });

  /** The rules that were broken so far. */
  get broken(): string[] {
    return this.oracle.violations.map(({ rule }) => rule);
  }

  lease(holder: string, atMs: number, durationMs = 15_000): void {
    this.oracle.leaseChanged({ atMs, holder: holder === '' ? '' : `${holder}_identity`, durationMs });
  }

  /** `r1` leads from the beginning and renews every two seconds. */
  leading(untilMs: number): this {
    for (let ms = 0; ms <= untilMs; ms += 2_000) this.lease('r1', ms);
    return this;
  }

  items(values: Readonly<Record<string, string>>): Item[] {
    return Object.entries(values).map(([key, value]) => ({
      key,
      encryptedSecret: this.sealed.seal(value, {}),
    }));
  }

  secret(name: string, atMs: number, spec: Spec, options: ObjectOptions = {}): void {
    this.oracle.secrets.record(`default/${name}`, this.object('KMSVaultSecret', name, spec, options), atMs);
  }

  partial(name: string, atMs: number, spec: Spec, options: ObjectOptions = {}): void {
    this.oracle.partials.record(
      `default/${name}`,
      this.object('PartialKMSVaultSecret', name, spec, options),
      atMs,
    );
  }

  gone(name: string, atMs: number): void {
    this.oracle.secrets.record(`default/${name}`, undefined, atMs);
  }

  /** A write; with a version it is one of v2, after check-and-set of the version before. */
  write(
    path: string,
    atMs: number,
    data: Readonly<Record<string, string>>,
    more: Partial<VaultChange> & { readonly version?: number } = {},
  ): void {
    const { version = 0 } = more;
    this.oracle.vaultChanged({
      atMs,
      by: 'r1',
      path,
      engine: version > 0 ? 'v2' : 'v1',
      operation: 'write',
      data: new Map(Object.entries(data)),
      version,
      ...(version > 0 ? { cas: version - 1 } : {}),
      ...more,
    });
  }

  remove(path: string, atMs: number, by: string | undefined = 'r1'): void {
    this.oracle.vaultChanged({
      atMs,
      by,
      path,
      engine: path.includes('/data/') ? 'v2' : 'v1',
      operation: 'remove',
      data: undefined,
      version: 0,
    });
  }

  unconverged(nowMs: number): string[] {
    return unconverged(this.oracle, engineAt, nowMs);
  }

  private object(kind: string, name: string, spec: Spec, options: ObjectOptions): KubeObject {
    return {
      apiVersion: 'k8s.patoarvizu.dev/v1alpha1',
      kind,
      metadata: {
        name,
        namespace: 'default',
        uid: options.uid ?? name,
        generation: 1,
        creationTimestamp: options.created ?? '2026-01-01T00:00:00Z',
        ...(options.finalizer === true ? { finalizers: [FINALIZER] } : {}),
        ...(options.going === true ? { deletionTimestamp: '2026-01-01T00:01:00Z' } : {}),
      },
      spec,
      ...(options.status === undefined ? {} : { status: options.status }),
    };
  }
}

export function ready(reason: string): object {
  return { conditions: [{ type: 'Ready', reason, observedGeneration: 1 }] };
}
