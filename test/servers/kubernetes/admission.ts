import type { ResourceKind } from './kinds.js';
import type { KubeObject, UserInfo } from './objects.js';

/** A write, right before it is stored, as admission sees it. */
export interface AdmissionRequest {
  readonly operation: 'CREATE' | 'UPDATE' | 'DELETE';
  readonly kind: ResourceKind;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  /** In the version of {@link kind}; absent for DELETE. */
  readonly object?: KubeObject;
  /** In the version of {@link kind}; absent for CREATE. */
  readonly oldObject?: KubeObject;
  readonly user: UserInfo;
  readonly dryRun: boolean;
}

/** Lets a write pass, perhaps with warnings for the client, or throws the ApiError that refuses it. */
export type Admission = (request: AdmissionRequest) => Promise<readonly string[]>;

export const admitEverything: Admission = () => Promise.resolve([]);
