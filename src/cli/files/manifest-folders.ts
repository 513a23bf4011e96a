import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { AuthorError } from '../author-error.js';
import { fileError } from './manifest-store.js';

const MANIFEST = /\.(?:ya?ml|json)$/i;
/** Never manifests of this project, and often large. */
const SKIPPED = new Set(['node_modules']);

/**
 * The files that arguments stand for: files as they are, folders with every `.yaml`, `.yml` and `.json` below them, in
 * the order of their names. Folders whose names begin with a dot, and `node_modules`, are left out. No file twice.
 *
 * @throws AuthorError when an argument cannot be read, or there is no file.
 */
export async function manifestPaths(paths: readonly string[]): Promise<string[]> {
  const found = new Set<string>();
  for (const path of paths) {
    let isFolder: boolean;
    try {
      isFolder = (await stat(path)).isDirectory();
    } catch (error) {
      throw fileError(path, 'read', error);
    }
    for (const file of isFolder ? await filesBelow(path) : [path]) found.add(file);
  }
  if (found.size === 0) throw new AuthorError(`there is no .yaml, .yml or .json file in ${paths.join(', ')}`);
  return [...found];
}

async function filesBelow(folder: string): Promise<string[]> {
  let entries: Dirent[];
  try {
    entries = await readdir(folder, { withFileTypes: true });
  } catch (error) {
    throw fileError(folder, 'read', error);
  }
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  const files: string[] = [];
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      if (!entry.name.startsWith('.') && !SKIPPED.has(entry.name)) files.push(...(await filesBelow(path)));
    } else if (MANIFEST.test(entry.name) && !entry.name.startsWith('.')) files.push(path);
  }
  return files;
}
