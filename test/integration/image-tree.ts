import { type ChildProcess, spawn, spawnSync } from 'node:child_process';

/** Who the image's programs run as. */
export const USER = '65532:65532';

/** Mounts the tree ($1) on itself, read-only, with /proc and /dev as a container has them, $2 at /tmp. */
const ENTER = [
  'set -e',
  'mount --bind "$1" "$1"',
  'mount --bind "$2" "$1/tmp"',
  'mount -o remount,bind,ro "$1/tmp"',
  'mount -t proc proc "$1/proc"',
  'mount --rbind /dev "$1/dev"',
  'mount -o remount,bind,ro "$1"',
  'tree=$1',
  'shift 2',
  `exec chroot --userspec=${USER} "$tree" "$@"`,
].join('\n');

/** Why programs cannot be started in a tree on this machine; undefined when they can. */
export function whyNoTree(): string | undefined {
  if (process.platform !== 'linux') return 'Linux is needed';
  if (process.getuid?.() !== 0) return 'root is needed to mount and to change the user';
  const probe = spawnSync('unshare', ['--mount', '--propagation', 'private', 'chroot', '/', 'true']);
  if (probe.status !== 0) return 'mount namespaces are needed';
  for (const tool of ['ldd', 'dpkg-query']) {
    if (spawnSync(tool, ['--version']).status !== 0) return `${tool} is needed: the image is Debian's`;
  }
  return undefined;
}

/**
 * A root file system, entered as a container would: nothing else to be seen, read-only all through, as a
 * user that is not root, in a mount namespace of its own that goes with the process.
 */
export class ReadOnlyTree {
  /** `mounted` is a folder that is seen, read-only, at `/tmp`. */
  constructor(
    private readonly root: string,
    private readonly mounted: string,
  ) {}

  /** Starts a program of the tree with this environment and no other. */
  start(command: readonly string[], environment: Readonly<Record<string, string>> = {}): ChildProcess {
    return spawn('unshare', this.words(command), {
      env: { PATH: process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin', ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  /** Runs a program of the tree to its end. */
  run(
    command: readonly string[],
    environment: Readonly<Record<string, string>> = {},
  ): { code: number | null; out: string; err: string } {
    const { status, stdout, stderr } = spawnSync('unshare', this.words(command), {
      env: { PATH: process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin', ...environment },
      encoding: 'utf8',
    });
    return { code: status, out: stdout, err: stderr };
  }

  private words(command: readonly string[]): string[] {
    const enter = ['--mount', '--propagation', 'private', '/bin/sh', '-c', ENTER, 'enter'];
    return [...enter, this.root, this.mounted, ...command];
  }
}
