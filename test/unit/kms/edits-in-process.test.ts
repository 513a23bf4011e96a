import { expect, it } from '@jest/globals';
import { Registry } from 'prom-client';

import type { DecryptRequest } from '../../../src/kms/decryptor.js';
import { KmsDecryptor } from '../../../src/kms/kms-decryptor.js';
import { OperatorMetrics } from '../../../src/observability/operator-metrics.js';
import { FakeClock, settled } from '../../support/fake-clock.js';

it('sends a quarter of the resync requests at once while an edit is in process, and all of its own', async () => {
  const sent = new Map<string, () => void>();
  const kms = {
    decrypt: (ciphertext: Uint8Array): Promise<Uint8Array> => {
      const text = Buffer.from(ciphertext).toString();
      return new Promise((resolve) => sent.set(text, () => resolve(Buffer.from(text))));
    },
  };
  const queue = { isEditing: false, lend: (): void => undefined };
  const metrics = new OperatorMetrics(new Registry());
  const decryptor = new KmsDecryptor(kms, 8, new FakeClock(), metrics, undefined, queue);
  const ask = (owner: string, keys: number, urgency: DecryptRequest['urgency']): void => {
    for (let index = 0; index < keys; index += 1) {
      const encryptedSecret = Buffer.from(`${owner}/${String(index)}`).toString('base64');
      void decryptor.decrypt({ encryptedSecret, context: {}, owner, ...(urgency ? { urgency } : {}) });
    }
  };
  const underWay = (owner: string): number =>
    [...sent.keys()].filter((text) => text.startsWith(owner)).length;
  const answer = async (owner: string): Promise<void> => {
    const [text] = [...sent.keys()].filter((name) => name.startsWith(owner));
    sent.get(text ?? '')?.();
    sent.delete(text ?? '');
    await settled();
  };

  ask('backlog', 100, 'resync');
  await settled();
  expect(underWay('backlog')).toBe(8);
  queue.isEditing = true;
  for (let answers = 0; answers < 7; answers += 1) await answer('backlog');
  expect(underWay('backlog')).toBe(2);
  ask('edit', 10, 'edit');
  await settled();
  expect([underWay('edit'), underWay('backlog')]).toEqual([6, 2]);
  await answer('backlog');
  expect([underWay('edit'), underWay('backlog')]).toEqual([7, 1]);
  queue.isEditing = false;
  for (let answers = 0; answers < 10; answers += 1) await answer('edit');
  expect([underWay('edit'), underWay('backlog')]).toEqual([0, 8]);
});
