import { describe, it } from '@jest/globals';

import { apply, fixture, useOperator, v2 } from './running-operator.js';

useOperator();

describe('an operator when KMS', () => {
  it('is down changes nothing in Vault, reports the pending change, and makes it when KMS is back', async () => {
    const path = await apply('a', 'first');
    await fixture.reason('a', 'Synced');
    const lift = fixture.servers.kms.faults.inject({ matches: () => true, action: { kind: 'reset' } });
    await fixture.kube.apply(
      fixture.secret('a', {
        path,
        kvSettings: v2,
        secrets: [
          { key: 'a', encryptedSecret: fixture.encrypt('second') },
          { key: 'b', encryptedSecret: fixture.encrypt('more') },
        ],
      }),
    );
    await fixture.reason('a', 'KmsUnavailable', 30_000);
    await fixture.inVault(path, { a: 'first' });
    lift();
    await fixture.inVault(path, { a: 'second', b: 'more' }, 45_000);
    await fixture.reason('a', 'Synced');
  }, 90_000);
});
