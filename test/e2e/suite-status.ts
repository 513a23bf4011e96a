import { describe, expect, it } from '@jest/globals';

import type { Json } from '../support/http-json.js';
import { type KStatus, kstatusOf } from '../support/kstatus.js';
import { eventually } from '../support/wait.js';
import { type SuiteRun, v1, v2 } from './suite-run.js';

const PARTIAL = 'PartialKMSVaultSecret';
const API = '/apis/k8s.patoarvizu.dev/v1alpha1';
const AS_TABLE = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };

/** What tools and people see of a resource without reading a log. */
export function statusSuite(run: SuiteRun): void {
  const conditionOf = async (name: string, type: string, kind?: string): Promise<Json> =>
    (await run.servers.get(name, kind))?.status?.conditions?.find((known: Json) => known.type === type);

  async function judged(name: string, verdict: KStatus, kind?: string): Promise<void> {
    await eventually(
      `${name} is ${verdict} for kstatus`,
      async () => kstatusOf(await run.servers.get(name, kind)) === verdict,
    );
  }

  describe('kstatus', () => {
    it('takes a new object for unfinished, a synced one for current, and one that needs a person for failed', async () => {
      const path = `${run.servers.v2}/data/kstatus`;
      const wrong = await run.servers.encrypt('kstatus-value', { wrong: 'context' });
      const right = await run.servers.encrypt('kstatus-value');
      const spec = (encryptedSecret: string): Json => ({
        path,
        kvSettings: v2,
        secrets: [{ key: 'a', encryptedSecret }],
      });
      const created = await run.servers.kube.apply(run.servers.secret('kstatus', spec(right)));
      expect(created.status).toEqual({ observedGeneration: -1 });
      expect(kstatusOf(created)).toBe('InProgress');
      await judged('kstatus', 'Current');
      await run.servers.inVault(path, { a: 'kstatus-value' });
      const edited = await run.servers.kube.apply(run.servers.secret('kstatus', spec(wrong)));
      expect(kstatusOf(edited)).toBe('InProgress');
      await judged('kstatus', 'Failed');
      const stalled = await conditionOf('kstatus', 'Stalled');
      expect(stalled).toMatchObject({ status: 'True', reason: 'DecryptionFailed' });
      expect(stalled.message).toBe((await conditionOf('kstatus', 'Ready')).message);
      await run.servers.kube.apply(run.servers.secret('kstatus', spec(right)));
      await judged('kstatus', 'Current');
      expect(await conditionOf('kstatus', 'Stalled')).toBeUndefined();
      expect(await conditionOf('kstatus', 'Reconciling')).toBeUndefined();
    });

    it('waits without a verdict for what something else has to provide', async () => {
      const path = `${run.servers.v1}/kstatus-waits`;
      await run.servers.kube.apply(
        run.servers.secret('kstatus-waits', { path, kvSettings: v1, includeSecrets: ['kstatus-late'] }),
      );
      await run.servers.reason('kstatus-waits', 'IncludeNotFound');
      expect(kstatusOf(await run.servers.get('kstatus-waits'))).toBe('InProgress');
      expect(await conditionOf('kstatus-waits', 'Stalled')).toBeUndefined();
    });
  });

  describe('a partial', () => {
    it('is valid, invalid by itself, and invalid by what includes it', async () => {
      const encryptedSecret = await run.servers.encrypt('partial-status-value');
      const apply = async (item: Json): Promise<Json> =>
        await run.servers.kube.apply(
          run.servers.partial('judged', { secrets: [{ key: 'shared', ...item }] }),
        );
      const reason = async (wanted: string, message: string | RegExp): Promise<void> => {
        await eventually(`the partial is ${wanted}`, async () => {
          const ready = await conditionOf('judged', 'Ready', PARTIAL);
          return ready?.reason === wanted && new RegExp(message).test(String(ready.message));
        });
      };
      const created = await apply({ encryptedSecret });
      expect(created.status).toEqual({ observedGeneration: -1 });
      await reason('Valid', 'Included by no KMSVaultSecret');
      await run.servers.kube.apply(
        run.servers.secret('judge', {
          path: `${run.servers.v1}/judge`,
          kvSettings: v1,
          includeSecrets: ['judged'],
        }),
      );
      await reason('Valid', 'Included by 1 KMSVaultSecret');
      await judged('judged', 'Current', PARTIAL);
      await apply({ encryptedSecret: 'not base64!' });
      await reason('Invalid', 'key shared: encryptedSecret is not base64');
      await judged('judged', 'Failed', PARTIAL);
      await apply({
        encryptedSecret: await run.servers.encrypt('partial-status-value', { wrong: 'context' }),
      });
      await reason('Invalid', 'key shared: InvalidCiphertext in judge');
      await apply({ encryptedSecret });
      await reason('Valid', 'Included by 1 KMSVaultSecret');
      await run.servers.reason('judge', 'Synced');
    });
  });

  describe('kubectl', () => {
    it('shows columns for people, those with details at -o wide, and both kinds by one name', async () => {
      const path = `${run.servers.v2}/data/columns`;
      const encryptedSecret = await run.servers.encrypt('columns-value');
      await run.servers.kube.apply(
        run.servers.secret('columns', { path, kvSettings: v2, secrets: [{ key: 'a', encryptedSecret }] }),
      );
      await run.servers.reason('columns', 'Synced');
      const { json } = await run.servers.kube.send(
        'GET',
        `${API}/namespaces/${run.servers.namespace}/kmsvaultsecrets/columns`,
        undefined,
        AS_TABLE,
      );
      const shown = json.columnDefinitions.map(
        ({ name, priority }: Json, index: number): readonly [string, unknown] => [
          `${String(name)}${priority === 1 ? '*' : ''}`,
          json.rows[0].cells[index],
        ],
      );
      const age: unknown = expect.stringMatching(/^\d+[smh]/);
      expect(shown).toEqual([
        ['Name', 'columns'],
        ['Path', path],
        ['Engine', 'v2'],
        ['Ready', 'True'],
        ['Reason', 'Synced'],
        ['Keys', '1/1'],
        ['Message*', '1 key is in Vault'],
        ['Version*', 1],
        ['Last-Write*', age],
        ['Age', age],
      ]);
      const { resources } = (await run.servers.kube.send('GET', API)).json;
      const kinds = resources.filter(({ categories }: Json) => categories?.includes('kms-vault'));
      expect(kinds.map(({ name }: Json) => name).sort()).toEqual([
        'kmsvaultsecrets',
        'partialkmsvaultsecrets',
      ]);
    });
  });
}
