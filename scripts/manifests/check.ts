import { readFileSync } from 'node:fs';

import { substitutionFaults } from './flux-substitution.js';
import { nameOf, workloadOf } from './kubernetes-object.js';
import { mountedFileFaults } from './mounted-files.js';
import { ObjectSchemas } from './object-schemas.js';
import { restrictedV2Faults } from './openshift-scc.js';
import { restrictedFaults } from './pod-security.js';
import { labelFaults } from './recommended-labels.js';
import { hasKubectl, plainManifests, type Rendering, renderEverything } from './rendering.js';
import { wiringFaults } from './wiring.js';

export interface CheckResult {
  /** One line each: where, which object, what. */
  readonly faults: readonly string[];
  /** One line: what was looked at, and by name what was not. */
  readonly summary: string;
}

/**
 * Checks every manifest and, where kubectl is at hand, everything that kustomize makes of them: against the
 * schemas, the references among the objects, the "restricted" Pod Security Standard, OpenShift's "restricted-v2",
 * and what Flux would replace in them.
 */
export async function checkManifests(withKubectl = hasKubectl()): Promise<CheckResult> {
  const plain = plainManifests();
  const crds = plain.flatMap(({ objects }) =>
    objects.filter(({ kind }) => kind === 'CustomResourceDefinition'),
  );
  const schemas = new ObjectSchemas(crds);
  const rendered = withKubectl ? await renderEverything() : [];
  const faults = [...plain, ...rendered].flatMap((rendering) => objectFaults(rendering, schemas));
  // Files refer to each other: all of them together, as `kubectl apply -f` with the folders sees them.
  const together = plain.flatMap(({ objects }) => objects);
  faults.push(...wiringFaults(together).map((fault) => `manifests: ${fault}`));
  for (const { name, objects } of rendered) {
    faults.push(...wiringFaults(objects).map((fault) => `${name}: ${fault}`));
  }
  const count = rendered.reduce((sum, { objects }) => sum + objects.length, 0);
  const looked = `${String(plain.length)} manifest files`;
  const summary = withKubectl
    ? `${looked} and ${String(rendered.length)} renderings of kustomize with ${String(count)} objects are valid`
    : `${looked} are valid; skipped, because kubectl is not on the PATH: kustomize/base, kustomize/components, kustomize/overlays`;
  return { faults, summary };
}

/** What is wrong with the objects of a rendering, each by itself. */
export function objectFaults({ name, objects, faults }: Rendering, schemas: ObjectSchemas): string[] {
  const found = faults.map((fault) => `${name}: ${fault}`);
  for (const object of objects) {
    const own = schemas.faults(object);
    // Rules on pods would stumble over what the schema refuses.
    const workload = own.length === 0 ? workloadOf(object) : undefined;
    if (workload !== undefined) {
      own.push(...restrictedFaults(workload.pod, workload.annotations));
      own.push(...restrictedV2Faults(workload.pod).map((fault) => `OpenShift's restricted-v2: ${fault}`));
      own.push(...mountedFileFaults(workload.pod));
    }
    own.push(...substitutionFaults(object));
    own.push(...labelFaults(object, version));
    found.push(...own.map((fault) => `${name}: ${nameOf(object)}: ${fault}`));
  }
  return found;
}

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { readonly version: string };
