import type { IContainer, IServiceSpec } from 'kubernetes-models/v1';

import { certificateFaults, issuerFaults, webhookFaults } from './certificate-wiring.js';
import {
  isKind,
  type KubernetesObject,
  matches,
  nameOf,
  type Workload,
  workloadOf,
} from './kubernetes-object.js';
import { exists, type World } from './object-world.js';
import { bindingFaults, operatorRightsFaults } from './rights-wiring.js';

/**
 * References that lead nowhere among objects that are applied together: selectors, ports, probes, volumes,
 * service accounts, roles, the webhook's Service and certificate, names in arguments. No schema can know these.
 */
export function wiringFaults(objects: readonly KubernetesObject[]): string[] {
  const workloads = objects.flatMap((object) => workloadOf(object) ?? []);
  const world = { objects, workloads };
  return [
    ...duplicates(objects.map(nameOf)).map((name) => `${name}: is defined twice`),
    ...workloads.flatMap((workload) =>
      workloadFaults(workload, world).map((fault) => `${workload.name}: ${fault}`),
    ),
    ...objects.flatMap((object) => objectFaults(object, world).map((fault) => `${nameOf(object)}: ${fault}`)),
  ];
}

function objectFaults(object: KubernetesObject, world: World): string[] {
  if (isKind(object, '', 'Service')) return serviceFaults(object, world);
  if (isKind(object, 'policy', 'PodDisruptionBudget')) return budgetFaults(object, world);
  if (/^(Cluster)?RoleBinding$/.test(object.kind)) return bindingFaults(object, world);
  if (object.kind === 'ValidatingWebhookConfiguration') return webhookFaults(object, world);
  if (isKind(object, 'cert-manager.io', 'Certificate')) return certificateFaults(object, world);
  if (isKind(object, 'cert-manager.io', 'Issuer')) return issuerFaults(object, world);
  if (isKind(object, 'monitoring.coreos.com', 'ServiceMonitor')) return monitorFaults(object, world);
  return [];
}

function workloadFaults(workload: Workload, world: World): string[] {
  const { namespace, selector, labels, pod } = workload;
  const faults = operatorRightsFaults(workload, world);
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
  faults.push(...repeated.map((name) => `${name} is listed twice`));
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

function duplicates(names: readonly string[]): string[] {
  return [...new Set(names.filter((name, index) => names.indexOf(name) !== index))];
}
