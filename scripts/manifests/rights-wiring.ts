import type { KubernetesObject, Workload } from './kubernetes-object.js';
import { exists, find, type World } from './object-world.js';

const GROUP = 'rbac.authorization.k8s.io';
const OPERATOR_COMMAND = '/manager';

interface Binding {
  readonly roleRef: { readonly kind: string; readonly name: string };
  readonly subjects?: readonly {
    readonly kind: string;
    readonly name: string;
    readonly namespace?: string;
  }[];
}

interface Rule {
  readonly resources?: readonly string[];
  readonly verbs: readonly string[];
}

/** The role that is bound, and to whom. */
export function bindingFaults(binding: KubernetesObject, world: World): string[] {
  const { roleRef, subjects = [] } = binding as unknown as Binding;
  const namespace = roleRef.kind === 'Role' ? binding.metadata.namespace : undefined;
  const faults = exists(world, GROUP, roleRef.kind, namespace, roleRef.name)
    ? []
    : [`no ${roleRef.kind} ${roleRef.name}`];
  for (const { kind, name, namespace: home } of subjects) {
    if (kind !== 'ServiceAccount' || !exists(world, '', kind, home, name))
      faults.push(`no ${kind} ${name} in namespace ${home ?? '(none)'}`);
  }
  return faults;
}

/** The operator needs its rights in the namespaces that its arguments name. */
export function operatorRightsFaults({ namespace, pod }: Workload, world: World): string[] {
  const container = pod.containers.find(({ command }) => command?.[0] === OPERATOR_COMMAND);
  if (container === undefined) return [];
  const flag = (name: string): string | undefined =>
    container.args
      ?.find((arg) => arg === `--${name}` || arg.startsWith(`--${name}=`))
      ?.replace(/^[^=]*=?/, '');
  const account = pod.serviceAccountName ?? 'default';
  const may = (verb: string, resource: string, where: string | undefined): boolean =>
    isBound(world, { name: account, namespace }, where, { verb, resource });
  const faults = (flag('watch-namespace')?.split(',') ?? [undefined])
    .filter((watched) => !may('watch', 'kmsvaultsecrets', watched))
    .map(
      (watched) => `${account} has no permission to watch kmsvaultsecrets in ${watched ?? 'all namespaces'}`,
    );
  const home = flag('leader-election-namespace') ?? namespace;
  if (!['false', undefined].includes(flag('enable-leader-election')) && !may('update', 'leases', home))
    faults.push(`${account} has no permission to update leases in ${home ?? '(none)'}`);
  return faults;
}

/** `where` undefined: in every namespace. */
function isBound(
  world: World,
  account: { readonly name: string; readonly namespace: string | undefined },
  where: string | undefined,
  { verb, resource }: { readonly verb: string; readonly resource: string },
): boolean {
  return world.objects.some((binding) => {
    const inCluster = binding.kind === 'ClusterRoleBinding';
    if (!inCluster && (binding.kind !== 'RoleBinding' || binding.metadata.namespace !== where)) return false;
    const { roleRef, subjects = [] } = binding as unknown as Binding;
    const isSubject = subjects.some(
      ({ kind, name, namespace }) =>
        kind === 'ServiceAccount' && name === account.name && namespace === account.namespace,
    );
    if (!isSubject) return false;
    const home = roleRef.kind === 'Role' ? binding.metadata.namespace : undefined;
    const role = find(world, GROUP, roleRef.kind, home, roleRef.name);
    return ((role?.['rules'] ?? []) as readonly Rule[]).some(
      ({ resources = [], verbs }) => resources.includes(resource) && verbs.includes(verb),
    );
  });
}
