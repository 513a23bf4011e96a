import { randomBytes } from 'node:crypto';
import { link, open, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';

import { stringify } from 'yaml';

import { API_VERSION, SECRET_KIND } from '../../api/group.js';
import type { EncryptionContext, SecretItem } from '../../api/resources.js';
import type { KvLocation } from '../../vault/kv-locator.js';
import { AuthorError } from '../author-error.js';
import { fileError } from '../files/manifest-store.js';
import { parseYaml } from '../files/yaml-source.js';
import type { ResourceName } from './resource-name.js';

export interface NewManifest {
  readonly name: ResourceName;
  readonly location: KvLocation;
  readonly context: EncryptionContext | undefined;
  readonly items: readonly SecretItem[];
}

/** The YAML of a new `KMSVaultSecret`; kubectl reads from it what is given here. */
export function manifestText({ name, location, context, items }: NewManifest): string {
  const resource = {
    apiVersion: API_VERSION,
    kind: SECRET_KIND,
    metadata: { name: name.name, ...(name.namespace === undefined ? {} : { namespace: name.namespace }) },
    spec: {
      path: location.path,
      kvSettings: { engineVersion: location.engine },
      ...(context === undefined ? {} : { secretContext: context }),
      secrets: items,
    },
  };
  // Words such as `yes` are booleans to kubectl, so they are quoted; a ciphertext stays on one line.
  const text = stringify(resource, { version: '1.1', lineWidth: 0, aliasDuplicateObjects: false });
  const { objects, problems } = parseYaml(text);
  const same = JSON.parse(JSON.stringify(resource)) as unknown;
  if (problems.length > 0 || objects.length !== 1 || !isDeepStrictEqual(objects[0], same))
    throw new Error('the new manifest does not say what it should');
  return text;
}

/**
 * Writes a file that is not there yet, all of it or nothing.
 *
 * @throws AuthorError when there is such a file, whatever it is.
 */
export async function createFile(path: string, text: string): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    const file = await open(temporary, 'wx', 0o644);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    // Unlike a rename, this never replaces a file.
    await link(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw fileExists(path);
    throw fileError(path, 'write', error);
  } finally {
    await rm(temporary, { force: true });
  }
}

export function fileExists(path: string): AuthorError {
  return new AuthorError(
    `${path} exists already, and is not overwritten: choose another --output, or remove it`,
  );
}
