import { describe, expect, it } from '@jest/globals';

import { DELETE_FINALIZER } from '../../src/api/group.js';
import { eventually } from '../support/wait.js';
import type { SuiteRun } from './suite-run.js';

/** What Vault keeps beside the versions of a v2 secret. */
export function metadataSuite(run: SuiteRun): void {
  describe('metadata', () => {
    it('are written, put back, and survive a finalizer that deletes only the current version', async () => {
      const { servers } = run;
      const path = `${servers.v2}/data/described`;
      const metadataPath = `${servers.v2}/metadata/described`;
      const secret = servers.secret('described', {
        path,
        kvSettings: {
          engineVersion: 'v2',
          metadata: {
            maxVersions: 4,
            deleteVersionAfter: '90m',
            casRequired: true,
            customMetadata: { team: 'web', note: 'ü <&>' },
          },
          deletion: 'latest',
        },
        secrets: [{ key: 'a', encryptedSecret: await servers.encrypt('described-value') }],
      });
      await servers.kube.apply({
        ...secret,
        metadata: { ...secret.metadata, finalizers: [DELETE_FINALIZER] },
      });
      await servers.inVault(path, { a: 'described-value' });
      await servers.reason('described', 'Synced');
      const wanted = {
        max_versions: 4,
        delete_version_after: '1h30m0s',
        cas_required: true,
        custom_metadata: { team: 'web', note: 'ü <&>' },
      };
      expect(await servers.vault.read(metadataPath)).toMatchObject(wanted);
      // The first version expires, too.
      const { json } = await servers.vault.send('GET', path);
      expect(json.data.metadata.deletion_time).not.toBe('');
      await servers.vault.write(metadataPath, { max_versions: 1, custom_metadata: { theirs: 'x' } });
      await eventually('the metadata are put back', async () => {
        const now: Record<string, unknown> = (await servers.vault.read(metadataPath)) ?? {};
        return now.max_versions === 4 && JSON.stringify(now.custom_metadata).includes('web');
      });
      expect((await servers.vault.read(metadataPath))?.custom_metadata).toEqual(wanted.custom_metadata);
      expect(await servers.vault.version(path)).toBe(1);
      await servers.kube.delete('KMSVaultSecret', servers.namespace, 'described');
      await eventually('the current version is deleted', async () => {
        const { status } = await servers.vault.send('GET', path);
        return status === 404;
      });
      expect(await servers.vault.read(metadataPath)).toMatchObject(wanted);
    });
  });
}
