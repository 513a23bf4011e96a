import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { PARTIAL_KIND } from '../../../src/api/group.js';
import { ReconcileFixture } from '../../support/reconcile-fixture.js';

import { apply, command, NAMES, PARTIALS } from './convergence-commands.js';
import { expectDesired, watchWrites } from './convergence-rules.js';

async function reconcileAll(fixture: ReconcileFixture): Promise<void> {
  fixture.kms.down = false;
  fixture.vault.down = false;
  fixture.apiDown = false;
  for (let round = 0; round < 6; round += 1) {
    for (const one of NAMES) await fixture.reconcile(one);
    for (const one of PARTIALS) await fixture.reconcile(one, 'resync', PARTIAL_KIND);
  }
}

describe('any sequence of edits, changes by hand, deletions, failures and restarts', () => {
  it('ends with Vault equal to the desired state, and loses nothing that is still desired on the way', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 30 }), async (commands) => {
        const fixture = new ReconcileFixture();
        watchWrites(fixture);
        for (const step of commands) await apply(fixture, step);
        await reconcileAll(fixture);
        expect(fixture.logger.entries.filter((entry) => entry.level === 'error')).toEqual([]);
        for (const one of NAMES) expectDesired(fixture, one);
      }),
      { numRuns: 400 },
    );
  }, 60_000);
});
