import { describe, expect, it } from '@jest/globals';
import type { IContainer, IPodSpec, ISecurityContext } from 'kubernetes-models/v1';

import { workloadOf } from '../../../scripts/manifests/kubernetes-object.js';
import { restrictedFaults } from '../../../scripts/manifests/pod-security.js';
import { plainManifests } from '../../../scripts/manifests/rendering.js';

const CONTEXT: ISecurityContext = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
};
const GOOD: IPodSpec = {
  securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
  containers: [{ name: 'c', image: 'i', securityContext: CONTEXT }],
};

function pod(part: Partial<IPodSpec>): IPodSpec {
  return { ...GOOD, ...part };
}

function podContext(part: NonNullable<IPodSpec['securityContext']>): IPodSpec {
  return pod({ securityContext: { ...GOOD.securityContext, ...part } });
}

function container(part: Partial<IContainer>): IContainer {
  return { name: 'c', image: 'i', securityContext: CONTEXT, ...part };
}

function context(part: ISecurityContext): IContainer {
  return container({ securityContext: { ...CONTEXT, ...part } });
}

const httpGet = { host: '10.0.0.1', port: 80 };

const BAD_PODS: readonly [string, IPodSpec, readonly string[]][] = [
  ['hostNetwork', pod({ hostNetwork: true }), ['hostNetwork']],
  ['hostPID', pod({ hostPID: true }), ['hostPID']],
  ['hostIPC', pod({ hostIPC: true }), ['hostIPC']],
  ['a hostPath', pod({ volumes: [{ name: 'v', hostPath: { path: '/' } }] }), ['volumes[v]: hostPath']],
  ['an NFS volume', pod({ volumes: [{ name: 'v', nfs: { server: 's', path: '/' } }] }), ['volumes[v]: nfs']],
  [
    'a gitRepo volume',
    pod({ volumes: [{ name: 'v', gitRepo: { repository: 'r' } }] }),
    ['volumes[v]: gitRepo'],
  ],
  ['an image volume', pod({ volumes: [{ name: 'v', image: { reference: 'r' } }] }), ['volumes[v]: image']],
  [
    'an unsafe sysctl',
    podContext({ sysctls: [{ name: 'kernel.msgmax', value: '1' }] }),
    ['sysctl kernel.msgmax'],
  ],
  ['root as the user of the pod', podContext({ runAsUser: 0 }), ['runAsUser 0']],
  [
    'leave to be root',
    podContext({ runAsNonRoot: false }),
    ['runAsNonRoot false', 'containers[c]: runAsNonRoot not set'],
  ],
  [
    'no word on root',
    pod({ securityContext: { seccompProfile: { type: 'RuntimeDefault' } } }),
    ['containers[c]: runAsNonRoot not set'],
  ],
  [
    'no word on seccomp',
    pod({ securityContext: { runAsNonRoot: true } }),
    ['containers[c]: seccompProfile not set'],
  ],
  ['no seccomp', podContext({ seccompProfile: { type: 'Unconfined' } }), ['seccompProfile Unconfined']],
  ['no AppArmor', podContext({ appArmorProfile: { type: 'Unconfined' } }), ['appArmorProfile Unconfined']],
  ['a SELinux type', podContext({ seLinuxOptions: { type: 'spc_t' } }), ['seLinuxOptions.type spc_t']],
  ['a SELinux user', podContext({ seLinuxOptions: { user: 'system_u' } }), ['seLinuxOptions.user']],
  ['a SELinux role', podContext({ seLinuxOptions: { role: 'sysadm_r' } }), ['seLinuxOptions.role']],
  [
    'a Windows host process',
    podContext({ windowsOptions: { hostProcess: true } }),
    ['windowsOptions.hostProcess'],
  ],
];

const BAD_CONTAINERS: readonly [string, IContainer, readonly string[]][] = [
  ['privileged', context({ privileged: true }), ['privileged']],
  ['escalation', context({ allowPrivilegeEscalation: true }), ['allowPrivilegeEscalation not false']],
  [
    'no word on escalation',
    container({ securityContext: { capabilities: { drop: ['ALL'] } } }),
    ['allowPrivilegeEscalation not false'],
  ],
  [
    'no context',
    { name: 'c', image: 'i' },
    ['allowPrivilegeEscalation not false', 'capabilities not dropped'],
  ],
  ['capabilities kept', context({ capabilities: {} }), ['capabilities not dropped']],
  [
    'some capabilities dropped',
    context({ capabilities: { drop: ['NET_RAW'] } }),
    ['capabilities not dropped'],
  ],
  [
    'a capability added',
    context({ capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE', 'CHOWN'] } }),
    ['capability CHOWN'],
  ],
  ['root', context({ runAsUser: 0 }), ['runAsUser 0']],
  ['leave to be root', context({ runAsNonRoot: false }), ['runAsNonRoot false']],
  ['no seccomp', context({ seccompProfile: { type: 'Unconfined' } }), ['seccompProfile Unconfined']],
  ['no AppArmor', context({ appArmorProfile: { type: 'Unconfined' } }), ['appArmorProfile Unconfined']],
  ['a SELinux type', context({ seLinuxOptions: { type: 'spc_t' } }), ['seLinuxOptions.type spc_t']],
  ['an open /proc', context({ procMount: 'Unmasked' }), ['procMount Unmasked']],
  [
    'a Windows host process',
    context({ windowsOptions: { hostProcess: true } }),
    ['windowsOptions.hostProcess'],
  ],
  ['a port of the host', container({ ports: [{ containerPort: 80, hostPort: 80 }] }), ['hostPort 80']],
  ['a probe elsewhere', container({ livenessProbe: { httpGet } }), ['livenessProbe to another host']],
  [
    'a socket probe elsewhere',
    container({ startupProbe: { tcpSocket: httpGet } }),
    ['startupProbe to another host'],
  ],
  ['a hook elsewhere', container({ lifecycle: { preStop: { httpGet } } }), ['preStop to another host']],
];

describe('restrictedFaults', () => {
  it.each<[string, IPodSpec]>([
    ['the least that is asked for', GOOD],
    [
      'every volume type that is allowed',
      pod({
        volumes: [
          { name: 'a', configMap: { name: 'x' } },
          { name: 'b', csi: { driver: 'x' } },
          { name: 'c', downwardAPI: {} },
          { name: 'd', emptyDir: {} },
          { name: 'e', ephemeral: {} },
          { name: 'f', persistentVolumeClaim: { claimName: 'x' } },
          { name: 'g', projected: {} },
          { name: 'h', secret: { secretName: 'x' } },
        ],
      }),
    ],
    [
      'everything said by the container',
      {
        containers: [
          context({
            runAsNonRoot: true,
            runAsUser: 1,
            seccompProfile: { type: 'Localhost', localhostProfile: 'p' },
          }),
        ],
      },
    ],
    [
      'a container that is stricter than its pod',
      {
        securityContext: { seccompProfile: { type: 'RuntimeDefault' } },
        containers: [context({ runAsNonRoot: true })],
      },
    ],
    [
      'the one capability that may be added',
      pod({ containers: [context({ capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] } })] }),
    ],
    ['safe sysctls', podContext({ sysctls: [{ name: 'net.ipv4.tcp_keepalive_time', value: '60' }] })],
    [
      'known SELinux types and AppArmor profiles',
      podContext({
        seLinuxOptions: { type: 'container_t', level: 's0' },
        appArmorProfile: { type: 'RuntimeDefault' },
      }),
    ],
    [
      'probes and ports of the pod',
      pod({
        containers: [
          container({
            ports: [{ containerPort: 80, hostPort: 0 }],
            livenessProbe: { httpGet: { port: 80 } },
          }),
        ],
      }),
    ],
  ])('accepts %s', (_, spec) => {
    expect(restrictedFaults(spec)).toEqual([]);
  });

  it.each(BAD_PODS)('refuses a pod with %s', (_, spec, faults) => {
    expect(restrictedFaults(spec)).toEqual(faults);
  });

  describe.each(['containers', 'initContainers', 'ephemeralContainers'] as const)('in %s', (list) => {
    it.each(BAD_CONTAINERS)('refuses %s', (_, bad, faults) => {
      const others = list === 'containers' ? [] : GOOD.containers;
      const spec = { ...GOOD, containers: others, [list]: [bad] };
      expect(restrictedFaults(spec)).toEqual(faults.map((fault) => `${list}[c]: ${fault}`));
    });
  });

  it.each([
    ['unconfined', 1],
    ['runtime/default', 0],
    ['localhost/mine', 0],
  ])('judges the AppArmor annotation %s', (value, count) => {
    const key = 'container.apparmor.security.beta.kubernetes.io/c';
    expect(restrictedFaults(GOOD, { [key]: value, other: 'unconfined' })).toHaveLength(count);
  });

  const workloads = plainManifests().flatMap(({ objects }) =>
    objects.flatMap((object) => workloadOf(object) ?? []),
  );

  it('is asked about both programs', () => {
    expect(workloads.map(({ name }) => name)).toEqual([
      'Deployment vault/kms-vault-operator',
      'Deployment vault/kms-vault-validating-webhook',
    ]);
  });

  it.each(workloads.map((workload) => [workload.name, workload] as const))('accepts %s', (_, workload) => {
    expect(restrictedFaults(workload.pod, workload.annotations)).toEqual([]);
  });

  it.each(workloads.map((workload) => [workload.name, workload] as const))(
    'would be stricter on %s',
    (_, { pod: spec }) => {
      expect(spec.securityContext).toMatchObject({ runAsNonRoot: true });
      for (const { securityContext, resources } of spec.containers) {
        expect(securityContext).toMatchObject({
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
        expect(securityContext?.capabilities?.add).toBeUndefined();
        expect(resources).toMatchObject({
          requests: { cpu: expect.any(String), memory: expect.any(String) },
          limits: { memory: expect.any(String) },
        });
      }
    },
  );
});
