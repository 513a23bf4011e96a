// @kubernetes/client-node as the operator and its framework use it: a kubeconfig and its credentials. The package
// itself carries the models of the whole Kubernetes API, which were two thirds of the bundle.
import yaml from 'js-yaml';

export { KubeConfig } from '@kubernetes/client-node/dist/config.js';

/** The package converts known kinds to its models afterwards; a kubeconfig is of none of them. */
export function loadYaml(text, options) {
  const loaded = yaml.load(text, options);
  if (!loaded) throw new Error('Failed to load YAML');
  return loaded;
}

/** The framework makes one in its constructor. Its requests go through src/kube instead. */
export class CoreV1Api {}

/** The framework would register CRDs with it; they come with the manifests. */
export const ApiextensionsV1Api = missing('ApiextensionsV1Api');
/** The framework's watch is replaced by that of src/watch. */
export const Watch = missing('Watch');

function missing(name) {
  return class {
    constructor() {
      throw new Error(`${name} of @kubernetes/client-node is not part of this build`);
    }
  };
}
