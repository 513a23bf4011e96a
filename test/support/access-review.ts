/** What somebody wants to do, as the API server's authorizer is asked. */
export interface ResourceAttributes {
  readonly verb: string;
  readonly resource: string;
  readonly group?: string;
  readonly subresource?: string;
  /** Absent: in all namespaces. */
  readonly namespace?: string;
}

/** A SubjectAccessReview about a service account, given as `namespace:name`. */
export function accessReview(account: string, resourceAttributes: ResourceAttributes): object {
  return {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SubjectAccessReview',
    spec: { user: `system:serviceaccount:${account}`, resourceAttributes },
  };
}
