import type { FaultName, Phase } from './fault-names.js';
import type { Item, Spec } from './desired.js';

/** Which object a step is about. */
export interface Target {
  readonly kind: 'KMSVaultSecret' | 'PartialKMSVaultSecret';
  readonly namespace: string;
  readonly name: string;
}

/** How somebody changes by hand what a resource wrote. */
export type Drift =
  'change a key' | 'add a key' | 'drop a key' | 'delete it' | 'delete the version' | 'write it anew';

/** An item before you encrypt it. */
export interface PlannedItem extends Omit<Item, 'encryptedSecret'> {
  readonly value:
    | {
        readonly kind: 'good' | 'fragile' | 'wrong context';
        readonly plaintext: string;
        readonly context: Readonly<Record<string, string>>;
      }
    | { readonly kind: 'not base64' | 'not text' | 'none' | 'empty' };
}

export interface PlannedSpec extends Omit<Spec, 'secrets'> {
  readonly secrets: readonly PlannedItem[];
}

export type Action =
  | { readonly do: 'apply'; readonly target: Target; readonly spec: PlannedSpec; readonly finalizer: boolean }
  | { readonly do: 'delete'; readonly target: Target }
  /** `casIndex` becomes the version that Vault has then. */
  | { readonly do: 'bump'; readonly target: Target }
  | { readonly do: 'drift'; readonly path: string; readonly how: Drift; readonly value: string }
  /** A secret of somebody else. */
  | { readonly do: 'stranger'; readonly path: string; readonly value: string }
  | { readonly do: 'fault'; readonly fault: FaultName; readonly phase: Phase; readonly draw: number };

/** What happens when: the whole run follows from its seed. */
export interface Step {
  readonly atMs: number;
  readonly action: Action;
}
