import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

/**
 * A folder as the kubelet mounts a Secret (`AtomicWriter` in pkg/volume/util/atomic_writer.go): every file is a link
 * through the link `..data`, which a rename moves to a folder with new contents.
 */
export class MountedFiles {
  private current: string | undefined;

  /** @param contents by name of the file; the names never change. */
  constructor(
    readonly folder: string,
    contents: Readonly<Record<string, string>>,
  ) {
    mkdirSync(folder, { recursive: true });
    this.swap(contents);
    for (const name of Object.keys(contents)) symlinkSync(join('..data', name), this.path(name));
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** Gives all files new contents at once. */
  swap(contents: Readonly<Record<string, string>>): void {
    const next = mkdtempSync(`${this.folder}/..version-`);
    for (const [name, content] of Object.entries(contents)) writeFileSync(join(next, name), content);
    symlinkSync(basename(next), this.path('..data_tmp'));
    renameSync(this.path('..data_tmp'), this.path('..data'));
    if (this.current !== undefined) rmSync(this.current, { recursive: true });
    this.current = next;
  }
}
