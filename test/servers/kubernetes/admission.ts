import type { ResourceKind } from './kinds.js';
import type { KubeObject, UserInfo } from './objects.js';
import type { Storage } from './storage.js';

/** The admission attributes of a write. */
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

/** The fields of `AdmissionRequest` (admission.k8s.io) except the uid. */
export function reviewedRequest(request: AdmissionRequest): Record<string, unknown> {
  const { group, version, kind, plural } = request.kind;
  const resource = { group, version, resource: plural };
  const subresource = request.subresource === '' ? {} : { subResource: request.subresource };
  const { user, groups, uid: userUid, extra } = request.user;
  const verb = request.operation.charAt(0) + request.operation.slice(1).toLowerCase();
  return {
    kind: { group, version, kind },
    resource,
    ...subresource,
    requestKind: { group, version, kind },
    requestResource: resource,
    ...(request.subresource === '' ? {} : { requestSubResource: request.subresource }),
    name: request.name,
    ...(request.namespace === '' ? {} : { namespace: request.namespace }),
    operation: request.operation,
    userInfo: {
      username: user,
      ...(userUid === undefined ? {} : { uid: userUid }),
      groups,
      ...(extra === undefined ? {} : { extra }),
    },
    object: request.object ?? null,
    oldObject: request.oldObject ?? null,
    dryRun: request.dryRun,
    options: { kind: `${verb}Options`, apiVersion: 'meta.k8s.io/v1' },
  };
}

/** Admits a write, optionally with warnings, or throws the ApiError that refuses it. */
export type Admission = (request: AdmissionRequest) => Promise<readonly string[]>;

export const admitEverything: Admission = () => Promise.resolve([]);

/** Asks one after the other, as the API server asks its admission plugins: the first refusal ends it. */
export function inTurn(
  ...makers: readonly ((storage: Storage) => Admission)[]
): (storage: Storage) => Admission {
  return (storage) => {
    const admissions = makers.map((make) => make(storage));
    return async (request) => {
      const warnings: string[] = [];
      for (const admit of admissions) warnings.push(...(await admit(request)));
      return warnings;
    };
  };
}
