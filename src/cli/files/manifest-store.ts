import { randomBytes } from 'node:crypto';
import { open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import { AuthorError } from '../author-error.js';
import { ManifestFile } from './manifest-file.js';

/** An object of Kubernetes has 1.5 MiB at most (etcd's limit on requests); a file holds some of them. */
const MAX_BYTES = 64 * 1_024 * 1_024;

/**
 * Reads a file of manifests.
 *
 * @throws AuthorError when it cannot be read, or is not UTF-8.
 */
export async function readManifest(path: string): Promise<ManifestFile> {
  let bytes: Buffer;
  try {
    if ((await stat(path)).size > MAX_BYTES) throw new AuthorError(`${path} is too large for a manifest`);
    bytes = await readFile(path);
  } catch (error) {
    throw fileError(path, 'read', error);
  }
  try {
    // A byte order mark stays.
    return ManifestFile.parse(path, new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    throw new AuthorError(`${path} is not UTF-8 text: save it as UTF-8`);
  }
}

/**
 * Replaces the file by its changed text, all of it or nothing: it is written beside the old one, which it replaces by a
 * rename, with the same mode. A symbolic link stays, and its target is replaced.
 *
 * @throws AuthorError also when somebody else has changed the file since it was read, whose change would be lost.
 */
export async function writeManifest({
  path,
  text,
  original,
}: Pick<ManifestFile, 'path' | 'text' | 'original'>): Promise<void> {
  let temporary: string | undefined;
  try {
    const target = await realpath(path);
    const { mode, uid, gid } = await stat(target);
    temporary = join(dirname(target), `.${basename(target)}.${randomBytes(6).toString('hex')}.tmp`);
    const file = await open(temporary, 'wx', mode & 0o777);
    try {
      await file.writeFile(text);
      // The mask of the process applies to the mode above.
      await file.chmod(mode & 0o7777);
      // Only for root: somebody else's file stays theirs.
      if (process.getuid?.() === 0) await file.chown(uid, gid);
      await file.sync();
    } finally {
      await file.close();
    }
    if (!(await readFile(target)).equals(Buffer.from(original))) {
      throw new AuthorError(
        `somebody else has changed the file ${path} in the meantime, so it was not written: run it again`,
      );
    }
    await rename(temporary, target);
  } catch (error) {
    if (temporary !== undefined) await rm(temporary, { force: true });
    throw fileError(path, 'write', error);
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of the path is not a folder',
  ENOSPC: 'no space is left',
  EROFS: 'the file system is read-only',
  ELOOP: 'symbolic links make a circle',
};

/** An AuthorError for a failure of the file system. */
export function fileError(path: string, verb: 'read' | 'write', error: unknown): AuthorError {
  if (error instanceof AuthorError) return error;
  const code = (error as NodeJS.ErrnoException | undefined)?.code ?? 'unknown error';
  return new AuthorError(`cannot ${verb} ${path}: ${REASONS[code] ?? code}`);
}
