import { describe, expect, it } from '@jest/globals';
import type { IContainer, IPodSpec, ISecurityContext } from 'kubernetes-models/v1';

import { workloadOf } from '../../../scripts/manifests/kubernetes-object.js';
import { restrictedV2Faults } from '../../../scripts/manifests/openshift-scc.js';
import { plainManifests } from '../../../scripts/manifests/rendering.js';

function pod(part: Partial<IPodSpec>): IPodSpec {
  return { containers: [{ name: 'c', image: 'i' }], ...part };
}

function container(part: Partial<IContainer>): IPodSpec {
  return { containers: [{ name: 'c', image: 'i', ...part }] };
}

function context(securityContext: ISecurityContext): IPodSpec {
  return container({ securityContext });
}

describe('restrictedV2Faults', () => {
  it.each<[string, IPodSpec]>([
    ['a pod that leaves everything to the namespace', pod({})],
    [
      'what Pod Security asks for',
      {
        securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
        containers: [
          {
            name: 'c',
            image: 'i',
            securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
          },
        ],
      },
    ],
    ['the capability that may be added', context({ capabilities: { add: ['NET_BIND_SERVICE'] } })],
    [
      'mounted Secrets and tokens',
      pod({
        volumes: [
          { name: 'a', secret: { secretName: 's' } },
          { name: 'b', projected: {} },
        ],
      }),
    ],
  ])('accepts %s', (_, spec) => {
    expect(restrictedV2Faults(spec)).toEqual([]);
  });

  it.each<[string, IPodSpec, string]>([
    ['a user of the pod', pod({ securityContext: { runAsUser: 65532 } }), 'runAsUser 65532'],
    ['a group of the pod', pod({ securityContext: { runAsGroup: 65532 } }), 'runAsGroup 65532'],
    ['a group of the files', pod({ securityContext: { fsGroup: 65532 } }), 'fsGroup 65532'],
    ['further groups', pod({ securityContext: { supplementalGroups: [1] } }), 'supplementalGroups 1'],
    [
      'an SELinux label',
      pod({ securityContext: { seLinuxOptions: { level: 's0:c1,c2' } } }),
      'seLinuxOptions',
    ],
    [
      'a seccomp profile of its own',
      pod({ securityContext: { seccompProfile: { type: 'Localhost', localhostProfile: 'p' } } }),
      'seccompProfile Localhost',
    ],
    ['a user of a container', context({ runAsUser: 1 }), 'containers[c]: runAsUser 1'],
    ['privilege', context({ privileged: true }), 'containers[c]: privileged'],
    ['escalation', context({ allowPrivilegeEscalation: true }), 'containers[c]: allowPrivilegeEscalation'],
    ['a capability', context({ capabilities: { add: ['CHOWN'] } }), 'containers[c]: capability CHOWN'],
    [
      'a port of the host',
      container({ ports: [{ containerPort: 1, hostPort: 2 }] }),
      'containers[c]: hostPort 2',
    ],
    ['the network of the host', pod({ hostNetwork: true }), 'hostNetwork'],
    [
      'a folder of the host',
      pod({ volumes: [{ name: 'v', hostPath: { path: '/' } }] }),
      'volumes[v]: hostPath',
    ],
  ])('refuses %s', (_, spec, fault) => {
    expect(restrictedV2Faults(spec)).toEqual([fault]);
  });

  it.each(['initContainers', 'ephemeralContainers'] as const)('looks at %s', (list) => {
    const spec = pod({ [list]: [{ name: 'x', image: 'i', securityContext: { runAsUser: 1 } }] });
    expect(restrictedV2Faults(spec)).toEqual([`${list}[x]: runAsUser 1`]);
  });

  const workloads = plainManifests().flatMap(({ objects }) =>
    objects.flatMap((object) => workloadOf(object) ?? []),
  );

  it.each(workloads.map((workload) => [workload.name, workload] as const))('accepts %s', (_, workload) => {
    expect(restrictedV2Faults(workload.pod)).toEqual([]);
  });
});
