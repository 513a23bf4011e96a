import type { IServiceSpec } from 'kubernetes-models/v1';

import { isKind, type KubernetesObject, matches } from './kubernetes-object.js';
import { exists, find, type World } from './object-world.js';

const GROUP = 'cert-manager.io';

interface Webhook {
  readonly name: string;
  readonly clientConfig: {
    readonly service?: { readonly namespace: string; readonly name: string; readonly port?: number };
  };
}

interface CertificateSpec {
  readonly issuerRef: { readonly kind?: string; readonly name: string };
  readonly secretName: string;
  readonly dnsNames?: readonly string[];
}

/** The Service that the API server calls, and the certificate that it verifies. */
export function webhookFaults(configuration: KubernetesObject, world: World): string[] {
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
    const certificate = find(world, GROUP, 'Certificate', home, certificateName);
    const { dnsNames = [], secretName } = (certificate?.['spec'] ?? {}) as Partial<CertificateSpec>;
    if (!dnsNames.includes(`${name}.${namespace}.svc`))
      faults.push(`no Certificate ${injected} for ${name}.${namespace}.svc`);
    else if (service !== undefined) faults.push(...secretFaults(service, secretName ?? '', world));
  }
  return faults;
}

/** The pods behind the Service must mount what cert-manager writes. */
function secretFaults(service: KubernetesObject, secretName: string, { workloads }: World): string[] {
  const { selector = {} } = service['spec'] as IServiceSpec;
  return workloads
    .filter(({ namespace, labels }) => namespace === service.metadata.namespace && matches(selector, labels))
    .filter(({ pod }) => !(pod.volumes ?? []).some(({ secret }) => secret?.secretName === secretName))
    .map(({ name }) => `${name} does not mount the Secret ${secretName} of its Certificate`);
}

/** The issuer of a certificate, and the Services that it is for. */
export function certificateFaults({ metadata, ...certificate }: KubernetesObject, world: World): string[] {
  const { issuerRef, dnsNames = [] } = certificate['spec'] as CertificateSpec;
  const home = metadata.namespace ?? '(none)';
  const { kind = 'Issuer', name } = issuerRef;
  const faults: string[] = [];
  // A ClusterIssuer may be defined elsewhere in the cluster.
  if (kind === 'Issuer' && !exists(world, GROUP, kind, metadata.namespace, name))
    faults.push(`no ${kind} ${name} in namespace ${home}`);
  for (const dnsName of dnsNames) {
    const [service = '', namespace = home] = dnsName.split('.');
    if (!exists(world, '', 'Service', namespace, service)) faults.push(`no Service for ${dnsName}`);
  }
  return faults;
}

/** An issuer that signs with a Secret needs a Certificate that writes this Secret. */
export function issuerFaults({ metadata, ...issuer }: KubernetesObject, world: World): string[] {
  const { ca } = issuer['spec'] as { ca?: { secretName: string } };
  if (ca === undefined) return [];
  const isWritten = world.objects.some(
    (object) =>
      isKind(object, GROUP, 'Certificate') &&
      object.metadata.namespace === metadata.namespace &&
      (object['spec'] as CertificateSpec).secretName === ca.secretName,
  );
  return isWritten ? [] : [`no Certificate writes the Secret ${ca.secretName}`];
}
