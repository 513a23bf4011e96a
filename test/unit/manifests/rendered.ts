import {
  type KubernetesObject,
  type Workload,
  workloadOf,
} from '../../../scripts/manifests/kubernetes-object.js';
import { type Started, startOf } from './program-command.js';

export const OPERATOR = 'kms-vault-operator';
export const WEBHOOK = 'kms-vault-validating-webhook';

export function the(objects: readonly KubernetesObject[], kind: string, name: string): KubernetesObject {
  const found = objects.filter((object) => object.kind === kind && object.metadata.name === name);
  if (found[0] === undefined || found.length > 1)
    throw new Error(`${String(found.length)} of ${kind} ${name}`);
  return found[0];
}

export function deployment(objects: readonly KubernetesObject[], name: string): Workload {
  const workload = workloadOf(the(objects, 'Deployment', name));
  if (workload === undefined) throw new Error(`no Deployment ${name}`);
  return workload;
}

export function started(
  objects: readonly KubernetesObject[],
  deploymentName: string,
  name = deploymentName,
): Started {
  const container = deployment(objects, deploymentName).pod.containers.find((one) => one.name === name);
  if (container === undefined) throw new Error(`no container ${name}`);
  return startOf(container);
}

export function operatorOf(
  objects: readonly KubernetesObject[],
): Extract<Started, { program: 'operator' }>['config'] {
  const start = started(objects, OPERATOR);
  if (start.program !== 'operator') throw new Error(start.program);
  return start.config;
}

export function webhookOf(
  objects: readonly KubernetesObject[],
): Extract<Started, { program: 'webhook' }>['config'] {
  const start = started(objects, WEBHOOK);
  if (start.program !== 'webhook') throw new Error(start.program);
  return start.config;
}
