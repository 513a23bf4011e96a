import {
  chmodSync,
  closeSync,
  fsyncSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statfsSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** `f_type` of file systems that live in memory (Linux, statfs(2)). */
const IN_MEMORY = new Set([0x0102_1994 /* tmpfs */, 0x8584_58f6 /* ramfs */]);

/**
 * A folder that only this user can open, for plaintexts that an editor must read: in memory where there is such a file
 * system. Everything here is synchronous, because a signal may end the process at any time.
 */
export class PrivateFolder {
  private constructor(
    readonly path: string,
    /** Whether its files never reach a disk, except by swapping. */
    readonly isInMemory: boolean,
  ) {}

  /** @param environment for `XDG_RUNTIME_DIR`, which the session manager makes for each user. */
  static create(environment: Readonly<Record<string, string | undefined>>): PrivateFolder {
    const inMemory = [environment.XDG_RUNTIME_DIR ?? '', '/dev/shm', tmpdir()].filter(isInMemory);
    for (const folder of inMemory) {
      const path = madeIn(folder);
      if (path !== undefined) return new PrivateFolder(path, true);
    }
    return new PrivateFolder(mkdtempSync(join(tmpdir(), 'kms-vault-')), false);
  }

  /** Writes a file that only this user can read, and gives its path. */
  write(name: string, text: string): string {
    const path = join(this.path, name);
    writeFileSync(path, text, { mode: 0o600, flag: 'wx' });
    return path;
  }

  /** Undefined when the editor has removed the file. */
  read(name: string): Buffer | undefined {
    try {
      return readFileSync(join(this.path, name));
    } catch {
      return undefined;
    }
  }

  /** Overwrites and removes all files, those of the editor as well, and the folder. May be called again. */
  wipe(): void {
    wipeFolder(this.path);
  }
}

function isInMemory(folder: string): boolean {
  try {
    return folder !== '' && IN_MEMORY.has(statfsSync(folder).type);
  } catch {
    return false;
  }
}

function madeIn(folder: string): string | undefined {
  try {
    const path = mkdtempSync(join(folder, 'kms-vault-'));
    chmodSync(path, 0o700);
    return path;
  } catch {
    return undefined;
  }
}

function wipeFolder(folder: string): void {
  let names: string[];
  try {
    chmodSync(folder, 0o700);
    names = readdirSync(folder);
  } catch {
    return;
  }
  for (const name of names) {
    const path = join(folder, name);
    try {
      const stat = lstatSync(path);
      if (stat.isDirectory()) {
        wipeFolder(path);
        continue;
      }
      if (stat.isFile()) overwrite(path, stat.size);
    } catch {
      // The editor removed it meanwhile; or it is in use and cannot be overwritten, then it is at least removed.
    }
    try {
      unlinkSync(path);
    } catch {
      // As above, or a folder.
    }
  }
  try {
    rmdirSync(folder);
  } catch {
    // The editor is still writing; the next call removes it.
  }
}

function overwrite(path: string, size: number): void {
  // An editor may keep the mode of a backup read-only.
  chmodSync(path, 0o600);
  const file = openSync(path, 'r+');
  try {
    const zeros = Buffer.alloc(Math.min(size, 65_536));
    for (let at = 0; at < size; at += zeros.length)
      writeSync(file, zeros, 0, Math.min(zeros.length, size - at), at);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
