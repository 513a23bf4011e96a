import type { IContainer, IServiceSpec } from 'kubernetes-models/v1';

import {
  isKind,
  type KubernetesObject,
  matches,
  nameOf,
  type Workload,
  workloadOf,
} from './kubernetes-object.js';

/**
 * References that lead nowhere among objects that are applied together: selectors, ports, probes, volumes,
 * service accounts, roles, the webhook's Service and certificate. No schema can know these.
 */
export function wiringFaults(objects: readonly KubernetesObject[]): string[] {
  const workloads = objects.flatMap((object) => workloadOf(object) ?? []);
  const world = { objects, workloads };
  return [
    ...duplicates(objects.map(nameOf)).map((name) => `${name}: stands here twice`),
    ...workloads.flatMap((workload) =>
      workloadFaults(workload, world).map((fault) => `${workload.name}: ${fault}`),
    ),
    ...objects.flatMap((object) => objectFaults(object, world).map((fault) => `${nameOf(object)}: ${fault}`)),
  ];
}

interface World {
  readonly objects: readonly KubernetesObject[];
  readonly workloads: readonly Workload[];
}

function objectFaults(object: KubernetesObject, world: World): string[] {
  if (isKind(object, '', 'Service')) return serviceFaults(object, world);
  if (isKind(object, 'policy', 'PodDisruptionBudget')) return budgetFaults(object, world);
  if (/^(Cluster)?RoleBinding$/.test(object.kind)) return bindingFaults(object, world);
  if (object.kind === 'ValidatingWebhookConfiguration') return webhookFaults(object, world);
  if (isKind(object, 'cert-manager.io', 'Certificate')) return certificateFaults(object, world);
  if (isKind(object, 'monitoring.coreos.com', 'ServiceMonitor')) return monitorFaults(object, world);
  return [];
}

function workloadFaults({ namespace, selector, labels, pod }: Workload, world: World): string[] {
  const faults: string[] = [];
  if (Object.keys(selector).length === 0) faults.push('has no selector');
  if (!matches(selector, labels)) faults.push('its selector does not match its own pods');
  const account = pod.serviceAccountName ?? 'default';
  if (!exists(world, '', 'ServiceAccount', namespace, account)) faults.push(`no ServiceAccount ${account}`);
  for (const term of [
    ...(pod.topologySpreadConstraints ?? []),
    ...(pod.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
    ...(pod.affinity?.podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(
      ({ podAffinityTerm }) => podAffinityTerm,
    ),
  ]) {
    const wanted = term.labelSelector?.matchLabels ?? {};
    if (Object.keys(wanted).length === 0 || !matches(wanted, labels))
      faults.push(`the selector for ${term.topologyKey} does not match its own pods`);
  }
  const containers = [...pod.containers, ...(pod.initContainers ?? [])];
  const volumes = (pod.volumes ?? []).map(({ name }) => name);
  const mounted = new Set(
    containers.flatMap(({ volumeMounts }) => volumeMounts ?? []).map(({ name }) => name),
  );
  for (const name of [...mounted].filter((one) => !volumes.includes(one))) faults.push(`no volume ${name}`);
  for (const name of volumes.filter((one) => !mounted.has(one))) faults.push(`volume ${name} is not mounted`);
  const ports = containers.flatMap(portNames);
  const repeated = [
    ...duplicates(volumes),
    ...duplicates(ports),
    ...duplicates(containers.map(({ name }) => name)),
  ];
  faults.push(...repeated.map((name) => `${name} stands there twice`));
  for (const container of containers) {
    faults.push(...containerFaults(container).map((fault) => `container ${container.name}: ${fault}`));
  }
  return faults;
}

function containerFaults(container: IContainer): string[] {
  const faults = duplicates((container.env ?? []).map(({ name }) => name)).map(
    (name) => `${name} is set twice`,
  );
  for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe'] as const) {
    const port = container[probe]?.httpGet?.port;
    if (port !== undefined && !portNames(container).includes(String(port)))
      faults.push(`${probe}: it has no port named ${String(port)}`);
  }
  return faults;
}

function serviceFaults(service: KubernetesObject, { workloads }: World): string[] {
  const { selector = {}, ports = [] } = service['spec'] as IServiceSpec;
  const behind = workloads.filter(
    ({ namespace, labels }) => namespace === service.metadata.namespace && matches(selector, labels),
  );
  if (behind.length === 0) return ['its selector matches no pods'];
  return ports.flatMap(({ name, port, targetPort = port }) =>
    behind
      .filter(({ pod }) => !pod.containers.flatMap(portNames).includes(String(targetPort)))
      .map(
        (workload) =>
          `port ${name ?? String(port)}: ${workload.name} has no port named ${String(targetPort)}`,
      ),
  );
}

function budgetFaults({ metadata, ...budget }: KubernetesObject, { workloads }: World): string[] {
  const { selector } = budget['spec'] as { selector?: { matchLabels?: Record<string, string> } };
  const wanted = selector?.matchLabels ?? {};
  const found = workloads.some(
    ({ namespace, labels }) => namespace === metadata.namespace && matches(wanted, labels),
  );
  return found && Object.keys(wanted).length > 0 ? [] : ['its selector matches no pods'];
}

interface Binding {
  readonly roleRef: { readonly kind: string; readonly name: string };
  readonly subjects?: readonly {
    readonly kind: string;
    readonly name: string;
    readonly namespace?: string;
  }[];
}

function bindingFaults(binding: KubernetesObject, world: World): string[] {
  const { roleRef, subjects = [] } = binding as unknown as Binding;
  const namespace = roleRef.kind === 'Role' ? binding.metadata.namespace : undefined;
  const faults = exists(world, 'rbac.authorization.k8s.io', roleRef.kind, namespace, roleRef.name)
    ? []
    : [`no ${roleRef.kind} ${roleRef.name}`];
  for (const { kind, name, namespace: home } of subjects) {
    if (kind !== 'ServiceAccount' || !exists(world, '', kind, home, name))
      faults.push(`no ${kind} ${name} in namespace ${home ?? '(none)'}`);
  }
  return faults;
}

interface Webhook {
  readonly name: string;
  readonly clientConfig: {
    readonly service?: { readonly namespace: string; readonly name: string; readonly port?: number };
  };
}

function webhookFaults(configuration: KubernetesObject, world: World): string[] {
  const faults: string[] = [];
  const injected = configuration.metadata.annotations?.['cert-manager.io/inject-ca-from'];
  for (const { clientConfig } of configuration['webhooks'] as readonly Webhook[]) {
    const { namespace = '', name = '', port = 443 } = clientConfig.service ?? {};
    const service = find(world, '', 'Service', namespace, name);
    const ports = (service?.['spec'] as IServiceSpec | undefined)?.ports ?? [];
    if (!ports.some((one) => one.port === port))
      faults.push(`no Service ${namespace}/${name} with port ${String(port)}`);
    if (injected === undefined) continue;
    const [home, certificateName = ''] = injected.split('/');
    const certificate = find(world, 'cert-manager.io', 'Certificate', home, certificateName);
    const { dnsNames = [] } = (certificate?.['spec'] ?? {}) as { dnsNames?: readonly string[] };
    if (!dnsNames.includes(`${name}.${namespace}.svc`))
      faults.push(`no Certificate ${injected} for ${name}.${namespace}.svc`);
  }
  return faults;
}

function certificateFaults({ metadata, ...certificate }: KubernetesObject, world: World): string[] {
  const { issuerRef } = certificate['spec'] as { issuerRef: { kind?: string; name: string } };
  const { kind = 'Issuer', name } = issuerRef;
  // A ClusterIssuer is the cluster's own.
  if (kind !== 'Issuer' || exists(world, 'cert-manager.io', kind, metadata.namespace, name)) return [];
  return [`no ${kind} ${name} in namespace ${metadata.namespace ?? '(none)'}`];
}

interface Monitor {
  readonly selector: { readonly matchLabels?: Readonly<Record<string, string>> };
  readonly endpoints: readonly { readonly port?: string }[];
}

function monitorFaults({ metadata, ...monitor }: KubernetesObject, { objects }: World): string[] {
  const { selector, endpoints } = monitor['spec'] as Monitor;
  const services = objects.filter(
    (object) =>
      isKind(object, '', 'Service') &&
      object.metadata.namespace === metadata.namespace &&
      matches(selector.matchLabels ?? {}, object.metadata.labels ?? {}),
  );
  const ports = services.flatMap((service) => (service['spec'] as IServiceSpec).ports ?? []);
  // The monitor of the webhook may be there without the webhook.
  if (services.length === 0) return [];
  return endpoints
    .filter(({ port }) => !ports.some(({ name }) => name === port))
    .map(({ port }) => `no Service that it selects has a port named ${port ?? '(none)'}`);
}

function portNames(container: IContainer): string[] {
  return (container.ports ?? []).map(({ name, containerPort }) => name ?? String(containerPort));
}

function find(
  { objects }: World,
  group: string,
  kind: string,
  namespace: string | undefined,
  name: string,
): KubernetesObject | undefined {
  return objects.find(
    (object) =>
      isKind(object, group, kind) && object.metadata.namespace === namespace && object.metadata.name === name,
  );
}

function exists(...[world, group, kind, namespace, name]: Parameters<typeof find>): boolean {
  return find(world, group, kind, namespace, name) !== undefined;
}

function duplicates(names: readonly string[]): string[] {
  return [...new Set(names.filter((name, index) => names.indexOf(name) !== index))];
}
