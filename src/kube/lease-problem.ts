import type { Logger } from '../observability/logger.js';
import { LogOnce } from '../runtime/log-once.js';
import { KubeError } from './kube-error.js';
import { LEASE_NAME } from './lease-client.js';

/** Why the lease cannot be used and what to do; the text is the same as long as the cause is the same. */
export function leaseProblem(error: unknown, namespace: string): string {
  if (!(error instanceof KubeError)) return 'unexpected failure';
  const { status } = error;
  if (status === undefined) return 'the API server cannot be reached or does not answer in time';
  if (status === 401) return 'the API server does not accept the credentials';
  if (status === 403) {
    return (
      `RBAC denies get, create or update of the lease ${LEASE_NAME} in the namespace ${namespace}: ` +
      'apply manifests/rbac/leader-election-role.yaml there'
    );
  }
  if (status === 404) {
    return `the namespace ${namespace} does not exist: create it or set --leader-election-namespace`;
  }
  return `the API server answers ${String(status)}`;
}

/** Logs once why the lease cannot be used, until the cause changes or is solved. */
export class LeaseProblems {
  private readonly said = new LogOnce();

  constructor(private readonly options: { readonly logger: Logger; readonly namespace: string }) {}

  met(error: unknown, leading: boolean): void {
    const problem = leaseProblem(error, this.options.namespace);
    if (!this.said.isNew(LEASE_NAME, problem)) return;
    this.options.logger.error('cannot read or write the lease; will retry', {
      problem,
      leading,
      ...(error instanceof KubeError ? { detail: error.message } : {}),
    });
  }

  solved(): void {
    if (this.said.clear(LEASE_NAME)) this.options.logger.info('can read and write the lease again');
  }
}
