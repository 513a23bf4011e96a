import { describe, expect, it } from '@jest/globals';
import type { IPodSpec, IVolume } from 'kubernetes-models/v1';

import { mountedFileFaults } from '../../../scripts/manifests/mounted-files.js';

const PRIVATE = 0o440;
const TOKEN: IVolume = { name: 'v', projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } };

function pod(volume: IVolume, part: Partial<IPodSpec> = {}): IPodSpec {
  return { containers: [{ name: 'c', image: 'i' }], volumes: [volume], ...part };
}

const secret = (defaultMode: number): IVolume => ({ name: 'v', secret: { secretName: 's', defaultMode } });

describe('mountedFileFaults', () => {
  it.each<[string, IPodSpec]>([
    ['a Secret with the mode of the API server', pod({ name: 'v', secret: { secretName: 's' } })],
    ['a Secret that all may read', pod(secret(0o444))],
    ['a Secret for a group that is given', pod(secret(PRIVATE), { securityContext: { fsGroup: 1 } })],
    ['a token without a fixed user, which is made with the mode of the volume', pod(TOKEN)],
    ['a token that belongs to the user of the pod', pod(TOKEN, { securityContext: { runAsUser: 1 } })],
    [
      'a private token that belongs to the user of the pod',
      pod(
        { name: 'v', projected: { ...TOKEN.projected, defaultMode: PRIVATE } },
        { securityContext: { runAsUser: 1 } },
      ),
    ],
    [
      'a folder whose file has a mode of its own',
      pod({ name: 'v', configMap: { defaultMode: PRIVATE, items: [{ key: 'k', path: 'p', mode: 0o444 }] } }),
    ],
    ['an empty folder', pod({ name: 'v', emptyDir: {} })],
  ])('accepts %s', (_, spec) => {
    expect(mountedFileFaults(spec)).toEqual([]);
  });

  it.each<[string, IPodSpec]>([
    ['a Secret for root and its group', pod(secret(PRIVATE))],
    ['a Secret, whoever the user is', pod(secret(PRIVATE), { securityContext: { runAsUser: 1 } })],
    ['a ConfigMap', pod({ name: 'v', configMap: { defaultMode: PRIVATE } })],
    ['a file', pod({ name: 'v', downwardAPI: { items: [{ path: 'p', mode: PRIVATE }] } })],
    ['a token', pod({ name: 'v', projected: { ...TOKEN.projected, defaultMode: PRIVATE } })],
    [
      'a token in a pod of two users',
      pod(
        { name: 'v', projected: { ...TOKEN.projected, defaultMode: PRIVATE } },
        {
          containers: [1, 2].map((runAsUser) => ({
            name: `c${String(runAsUser)}`,
            image: 'i',
            securityContext: { runAsUser },
          })),
        },
      ),
    ],
  ])('refuses %s', (_, spec) => {
    expect(mountedFileFaults(spec)).toEqual([
      'volumes[v]: mode 0440 is readable by root only, because there is no fsGroup',
    ]);
  });
});
