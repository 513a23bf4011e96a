import type { IPodSpec, IVolume } from 'kubernetes-models/v1';

/** Anybody may read. */
const OTHERS_READ = 0o004;
/** The API server's default for `defaultMode`. */
const DEFAULT_MODE = 0o644;

/**
 * Mounted files that a process without root's rights could not read, one line each. The kubelet makes them for
 * root with the mode of the volume; only with `fsGroup` it adds the group and its right to read
 * (kubernetes/kubernetes, pkg/volume/volume_linux.go). Tokens of service accounts get mode 0600 and the user of
 * the pod instead when all containers say the same `runAsUser` (pkg/volume/projected, pkg/volume/util FsUserFrom).
 */
export function mountedFileFaults(pod: IPodSpec): string[] {
  if (pod.securityContext?.fsGroup !== undefined) return [];
  const hasOneUser = allSayOneUser(pod);
  return (pod.volumes ?? []).flatMap((volume) =>
    modesOf(volume, hasOneUser)
      .filter((mode) => (mode & OTHERS_READ) === 0)
      .map(
        (mode) =>
          `volumes[${volume.name}]: mode 0${mode.toString(8)} is readable by root only, because there is no fsGroup`,
      ),
  );
}

function modesOf({ secret, configMap, downwardAPI, projected }: IVolume, hasOneUser: boolean): number[] {
  const own = [secret, configMap, downwardAPI].flatMap((source) =>
    source === undefined ? [] : itemModes(source.items, source.defaultMode),
  );
  if (projected === undefined) return own;
  const { defaultMode = DEFAULT_MODE, sources = [] } = projected;
  return sources.flatMap(({ serviceAccountToken, ...source }) => {
    if (serviceAccountToken !== undefined) return hasOneUser ? [] : [defaultMode];
    const { items } = source.secret ?? source.configMap ?? source.downwardAPI ?? {};
    return itemModes(items, defaultMode);
  });
}

function itemModes(
  items: readonly { readonly mode?: number }[] | undefined,
  defaultMode = DEFAULT_MODE,
): number[] {
  return items === undefined ? [defaultMode] : items.map(({ mode = defaultMode }) => mode);
}

function allSayOneUser({ securityContext, containers, initContainers = [] }: IPodSpec): boolean {
  const users = [...containers, ...initContainers].map(
    (container) => container.securityContext?.runAsUser ?? securityContext?.runAsUser,
  );
  return users[0] !== undefined && users.every((user) => user === users[0]);
}
