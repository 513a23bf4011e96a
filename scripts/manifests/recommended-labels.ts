import { type KubernetesObject, workloadOf } from './kubernetes-object.js';

const PREFIX = 'app.kubernetes.io/';
const IMAGE = /^(?:docker\.io\/)?patoarvizu\/kms-vault-operator:([^@]+)/;
/** The label that selectors use, and the component that it stands for. */
const COMPONENTS: Readonly<Record<string, string>> = {
  'kms-vault-operator': 'operator',
  'kms-vault-validating-webhook': 'webhook',
  // Of the chart.
  'kms-vault-operator-test': 'test',
};
/** Resources of users, such as the samples. */
const OURS_TO_DEFINE = 'k8s.patoarvizu.dev';

type Labels = Readonly<Record<string, string>>;

/**
 * What is wrong with the labels that Kubernetes recommends, on an object and on its pods; `instance` is for the user to
 * set. A selector that asks for one of them is a fault: selectors of a Deployment cannot be changed in place, and a
 * version changes with each release.
 *
 * @param version of the release. A workload has an image of it, or the moving tag `latest`.
 */
export function labelFaults(object: KubernetesObject, version: string): string[] {
  if (object.apiVersion.startsWith(`${OURS_TO_DEFINE}/`)) return [];
  const workload = workloadOf(object);
  const faults = setFaults(object.metadata.labels ?? {}, version);
  if (workload !== undefined) {
    faults.push(...setFaults(workload.labels, version).map((fault) => `its pods: ${fault}`));
  }
  for (const tag of imageTags(object)) {
    if (tag !== version && tag !== 'latest') faults.push(`the image has the tag ${tag}, not ${version}`);
  }
  faults.push(...selectorFaults(object));
  return faults;
}

/** The tags of our image in the pods of an object. */
function imageTags(object: KubernetesObject): string[] {
  const containers = workloadOf(object)?.pod.containers ?? [];
  return containers.flatMap(({ image = '' }) => IMAGE.exec(image)?.[1] ?? []);
}

function setFaults(labels: Labels, version: string): string[] {
  const component = COMPONENTS[labels['app'] ?? 'kms-vault-operator'];
  const wanted: Readonly<Record<string, string | undefined>> = {
    name: 'kms-vault-operator',
    version,
    component,
    'part-of': 'kms-vault-operator',
    'managed-by': labels[`${PREFIX}managed-by`] === 'Helm' ? 'Helm' : 'kustomize',
  };
  const faults = Object.entries(wanted)
    .filter(([name, value]) => labels[PREFIX + name] !== value)
    .map(
      ([name, value]) =>
        `the label ${PREFIX}${name} is ${labels[PREFIX + name] ?? 'missing'}, not ${value ?? '?'}`,
    );
  if (labels[`${PREFIX}instance`] !== undefined)
    faults.push(`the label ${PREFIX}instance is for the user to set`);
  return faults;
}

/** Every selector within an object, wherever it is. */
function selectorFaults(value: unknown, path = ''): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]: [string, unknown]) => {
    const here = path === '' ? name : `${path}.${name}`;
    const isSelector = name === 'matchLabels' || name === 'selector' || name === 'matchExpressions';
    const asks = isSelector ? JSON.stringify(inner).includes(`"${PREFIX}`) : false;
    if (asks) return [`${here} selects by a label of ${PREFIX}*, which changes`];
    return selectorFaults(inner, here);
  });
}
