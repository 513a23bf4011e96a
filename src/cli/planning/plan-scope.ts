import type { PolicyOptions } from '../../config/cli-config.js';

/** What the options of `plan` say about the resources. */
export interface PlanScope {
  /** Of resources without one. */
  readonly namespace: string;
  /** `--namespace` was given: a resource of another one is an error, as in kubectl. */
  readonly isGiven: boolean;
}

/** The options of `plan` that its services are made from. */
export interface PlanSettings {
  readonly policy: PolicyOptions;
  readonly namespace?: string;
  /** The operator has `--provenance`. */
  readonly provenance?: boolean;
  /** Present with `--cluster`. */
  readonly cluster?: { readonly kubeconfig?: string; readonly context?: string };
}
