import type { KubeClient, KubeRequestOptions } from './kube-client.js';
import { KubeError } from './kube-error.js';
import type { LeaseObject } from './lease-record.js';
import { isRecord } from './status-body.js';

/** The name that the Go operator uses, so that an upgrade never has two writers. */
export const LEASE_NAME = '39a50047.patoarvizu.dev';
export const LEASE_API_VERSION = 'coordination.k8s.io/v1';

type Limits = Pick<KubeRequestOptions, 'timeoutMs' | 'signal'>;

/** Reads and writes the lease of the operator. Every method throws KubeError. */
export class LeaseClient {
  private readonly collection: string;

  constructor(
    private readonly options: {
      /** Its write gate is always open: the lease is written in order to become the leader. */
      readonly client: Pick<KubeClient, 'request'>;
      readonly namespace: string;
    },
  ) {
    this.collection = `/apis/${LEASE_API_VERSION}/namespaces/${encodeURIComponent(options.namespace)}/leases`;
  }

  /** @returns undefined when the lease does not exist. */
  async read(limits: Limits): Promise<LeaseObject | undefined> {
    const path = `${this.collection}/${LEASE_NAME}`;
    try {
      return leaseIn(await this.options.client.request('GET', path, limits), `GET ${path}`);
    } catch (error) {
      if (error instanceof KubeError && error.status === 404) return undefined;
      throw error;
    }
  }

  async create(spec: Record<string, unknown>, limits: Limits): Promise<LeaseObject> {
    const metadata = { name: LEASE_NAME, namespace: this.options.namespace };
    const body = { apiVersion: LEASE_API_VERSION, kind: 'Lease', metadata, spec };
    const answer = await this.options.client.request('POST', this.collection, { body, ...limits });
    return leaseIn(answer, `POST ${this.collection}`);
  }

  /** Replaces the spec of exactly this version of the lease; 409 when it has changed. */
  async replace(lease: LeaseObject, spec: Record<string, unknown>, limits: Limits): Promise<LeaseObject> {
    const path = `${this.collection}/${LEASE_NAME}`;
    const body = { ...lease, apiVersion: LEASE_API_VERSION, kind: 'Lease', spec };
    return leaseIn(await this.options.client.request('PUT', path, { body, ...limits }), `PUT ${path}`);
  }
}

function leaseIn(body: unknown, operation: string): LeaseObject {
  const metadata = isRecord(body) ? body.metadata : undefined;
  if (!isRecord(metadata) || metadata.name !== LEASE_NAME || typeof metadata.resourceVersion !== 'string') {
    throw new KubeError(`${operation}: the response is not the lease`, undefined);
  }
  return body as LeaseObject;
}
