import type { IContainer, IEphemeralContainer, IPodSpec, ISecurityContext } from 'kubernetes-models/v1';

type AnyContainer = IContainer | IEphemeralContainer;

/** Volume types that `restricted-v2` admits. */
const VOLUME_TYPES = [
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'image',
  'persistentVolumeClaim',
  'projected',
  'secret',
];

/**
 * What the SecurityContextConstraints `restricted-v2` of OpenShift, the default of every namespace, would refuse
 * in any namespace (openshift/cluster-kube-apiserver-operator, bindata/bootkube/scc-manifests). It takes users,
 * groups and SELinux labels from ranges that differ between namespaces, so that a fixed one is never right;
 * what is left out, it fills in.
 */
export function restrictedV2Faults(pod: IPodSpec): string[] {
  const faults: string[] = [];
  for (const field of ['hostNetwork', 'hostPID', 'hostIPC'] as const) {
    if (pod[field] === true) faults.push(field);
  }
  for (const { name, ...source } of pod.volumes ?? []) {
    const refused = Object.keys(source).filter((type) => !VOLUME_TYPES.includes(type));
    faults.push(...refused.map((type) => `volumes[${name}]: ${type}`));
  }
  const context = pod.securityContext ?? {};
  // Adding to it is allowed, but it makes the pod one of a fixed group all the same.
  for (const field of ['fsGroup', 'supplementalGroups'] as const) {
    if (context[field] !== undefined) faults.push(`${field} ${String(context[field])}`);
  }
  faults.push(...contextFaults(context));
  for (const list of ['containers', 'initContainers', 'ephemeralContainers'] as const) {
    for (const container of (pod[list] ?? []) as AnyContainer[]) {
      faults.push(...containerFaults(container).map((fault) => `${list}[${container.name}]: ${fault}`));
    }
  }
  return faults;
}

/** Rules for fields that pods and containers have alike. */
function contextFaults(
  context: Pick<ISecurityContext, 'runAsUser' | 'runAsGroup' | 'seLinuxOptions' | 'seccompProfile'>,
): string[] {
  const faults: string[] = [];
  for (const field of ['runAsUser', 'runAsGroup'] as const) {
    if (context[field] !== undefined) faults.push(`${field} ${String(context[field])}`);
  }
  if (context.seLinuxOptions !== undefined) faults.push('seLinuxOptions');
  const { type = 'RuntimeDefault' } = context.seccompProfile ?? {};
  if (type !== 'RuntimeDefault') faults.push(`seccompProfile ${type}`);
  return faults;
}

function containerFaults({ securityContext: context = {}, ports }: AnyContainer): string[] {
  const faults = contextFaults(context);
  if (context.privileged === true) faults.push('privileged');
  if (context.allowPrivilegeEscalation === true) faults.push('allowPrivilegeEscalation');
  for (const name of context.capabilities?.add ?? []) {
    if (name !== 'NET_BIND_SERVICE') faults.push(`capability ${name}`);
  }
  for (const { hostPort = 0 } of ports ?? []) {
    if (hostPort !== 0) faults.push(`hostPort ${String(hostPort)}`);
  }
  return faults;
}
