import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { DELETE_FINALIZER, SECRET_KIND } from '../../../../src/api/group.js';
import { RequiredContext } from '../../../../src/api/required-context.js';
import type { EngineVersion } from '../../../../src/api/resources.js';
import type { Forecast } from '../../../../src/cli/planning/forecast.js';
import { goDuration } from '../../../../src/api/vault-duration.js';
import { mainReason } from '../../../../src/reconcile/ready-findings.js';
import { NO_METADATA } from '../../../../src/reconcile/wanted-metadata.js';
import type { KvMetadata } from '../../../../src/vault/kv-store.js';
import type { SecretData } from '../../../../src/vault/secret-data.js';
import { ReconcileFixture } from '../../../support/reconcile-fixture.js';
import { type PlanOfFixture, planFor } from './plan-fixture.js';
import {
  apply,
  edit,
  filesOf,
  type PartialEdit,
  partialEdit,
  PLACES,
  type SecretEdit,
  secretEdit,
  SECRETS,
  step,
} from './plan-steps.js';

interface Held {
  readonly data: SecretData | undefined;
  readonly version: number;
  readonly metadata: KvMetadata | undefined;
}

const engineAt = (path: string): EngineVersion => (path.startsWith('kv/') ? 'v1' : 'v2');

function held(fixture: ReconcileFixture): ReadonlyMap<string, Held> {
  return new Map(
    PLACES.map(({ path }) => {
      const data = fixture.vault.peek(path, engineAt(path));
      return [
        path,
        {
          data: data === undefined ? undefined : new Map(data),
          version: fixture.vault.v2.get(path)?.versions.length ?? 0,
          metadata: fixture.vault.metadataOf(path),
        },
      ];
    }),
  );
}

/** Which keys differ, found without the code under test. */
function difference(before: Held | undefined, after: Held | undefined): Record<string, readonly string[]> {
  const was = before?.data ?? new Map<string, string>();
  const is = after?.data ?? new Map<string, string>();
  return {
    added: [...is.keys()].filter((name) => !was.has(name)).sort(),
    changed: [...is.keys()].filter((name) => was.has(name) && was.get(name) !== is.get(name)).sort(),
    removed: [...was.keys()].filter((name) => !is.has(name)).sort(),
  };
}

function metadataDifference(before: Held | undefined, after: Held | undefined): object {
  const [was, is] = [before?.metadata ?? NO_METADATA, after?.metadata ?? NO_METADATA];
  const different = <T>(a: T, b: T, name: string): object =>
    a === b ? {} : { [name]: { before: a, after: b } };
  const custom = {
    added: [...is.customMetadata.keys()].filter((key) => !was.customMetadata.has(key)).sort(),
    changed: [...is.customMetadata.keys()]
      .filter(
        (key) => was.customMetadata.has(key) && was.customMetadata.get(key) !== is.customMetadata.get(key),
      )
      .sort(),
    removed: [...was.customMetadata.keys()].filter((key) => !is.customMetadata.has(key)).sort(),
  };
  return {
    ...different(was.maxVersions, is.maxVersions, 'maxVersions'),
    ...different(
      goDuration(was.deleteVersionAfterSeconds),
      goDuration(is.deleteVersionAfterSeconds),
      'deleteVersionAfter',
    ),
    ...different(was.casRequired, is.casRequired, 'casRequired'),
    ...(Object.values(custom).every((names) => names.length === 0) ? {} : { customMetadata: custom }),
  };
}

function expectKeys(
  { action, keys, metadata, path = '', versions, secret }: Forecast,
  before: Held | undefined,
  after: Held | undefined,
): void {
  const { added, changed, removed } = keys;
  const what = `${secret.metadata.name} at ${path}`;
  expect({ what, action, ...difference(before, after) }).toEqual({ what, action, added, changed, removed });
  if (versions !== undefined && action !== 'delete') {
    expect({ what, before: before?.version, after: after?.version }).toEqual({ what, ...versions });
  }
  if (action !== 'delete') {
    expect({ what, metadata: metadata ?? {} }).toEqual({ what, metadata: metadataDifference(before, after) });
  }
  if (action === 'none' || action === 'blocked')
    expect({ what, held: after }).toEqual({ what, held: before });
}

/** What a deletion took: the whole secret, or only its current version. */
function isGoneAt({ data, version }: Held, now: Held | undefined): 'all' | 'latest' | undefined {
  if (now?.data !== undefined) return undefined;
  if (now?.version === 0) return data !== undefined || version > 0 ? 'all' : undefined;
  return data === undefined ? undefined : 'latest';
}

async function check(
  fixture: ReconcileFixture,
  edits: readonly (SecretEdit | PartialEdit)[],
  restart: boolean,
  deleted: string,
): Promise<void> {
  const before = held(fixture);
  const { writes } = fixture.vault;
  const plan: PlanOfFixture = await planFor(fixture, filesOf(fixture, edits));
  expect(fixture.vault.writes).toBe(writes);
  expect(held(fixture)).toEqual(before);

  for (const change of edits) edit(fixture, change);
  if (restart) fixture.restart();
  const going = new Set(
    plan.forecasts.filter(({ secret }) => secret.metadata.deletionTimestamp !== undefined),
  );
  const live = plan.forecasts.filter((forecast) => !going.has(forecast));
  // Twice, because a version that is made anew may be the pinned one.
  for (const { secret } of [...live, ...live]) await fixture.reconcile(secret.metadata.name, 'edit');
  const after = held(fixture);
  for (const forecast of live) {
    const { path = '', findings, secret } = forecast;
    expect(forecast.action === 'suspended').toBe(secret.spec.suspend === true);
    if (forecast.action === 'suspended') {
      // What is at the path is what its other resources, which it may have, are planned to make of it.
      expect([findings, forecast.versions]).toEqual([[], undefined]);
      continue;
    }
    // The owner of the path accounts for it.
    if (findings.some(({ reason }) => reason === 'PathConflict')) {
      expect(forecast.action).toBe('blocked');
    } else expectKeys(forecast, before.get(path), after.get(path));
    const { name } = secret.metadata;
    expect({ name, reason: fixture.ready(name)?.reason }).toEqual({ name, reason: mainReason(findings) });
    const failed = fixture.cache.secret('default', name)?.status?.failedKeys ?? [];
    if (forecast.action !== 'blocked') {
      expect(forecast.keys.undecryptable.map(({ key: failedKey }) => failedKey)).toEqual(
        failed.map((one) => one.key),
      );
    }
  }
  // Once more: nothing else is planned, and nothing else happens.
  const { writes: settled } = fixture.vault;
  for (const { secret } of live) await fixture.reconcile(secret.metadata.name, 'edit');
  expect(fixture.vault.writes).toBe(settled);

  for (const forecast of going) {
    const { secret, action, keys } = forecast;
    const was = held(fixture);
    await fixture.reconcile(secret.metadata.name, 'edit');
    expect(action === 'suspended').toBe(secret.spec.suspend === true);
    const gone = [...was].filter(([path, one]) => isGoneAt(one, held(fixture).get(path)) !== undefined);
    expect({ action, gone: gone.length }).toEqual({ action, gone: action === 'delete' ? 1 : 0 });
    if (action === 'delete') expect(keys.removed).toEqual([...(gone[0]?.[1].data?.keys() ?? [])].sort());
  }
  await checkDeletion(fixture, live, deleted);
}

async function checkDeletion(
  fixture: ReconcileFixture,
  live: readonly Forecast[],
  name: string,
): Promise<void> {
  const forecast = live.find(({ secret }) => secret.metadata.name === name);
  if (forecast === undefined) return;
  const before = held(fixture);
  fixture.delete(SECRET_KIND, name);
  await fixture.reconcile(name, 'edit');
  const { value, detail } = forecast.onDeletion;
  const hasFinalizer = forecast.secret.metadata.finalizers?.includes(DELETE_FINALIZER) === true;
  expect(value === 'waits').toBe(hasFinalizer && forecast.secret.spec.suspend === true);
  for (const [path, one] of before) {
    const gone = isGoneAt(one, held(fixture).get(path));
    const details: Record<string, string> = { all: path, latest: `the current version of ${path}` };
    const meant =
      value !== 'deleted'
        ? undefined
        : Object.keys(details).find((how) => details[how] === detail && (one.data ?? one.version) !== 0);
    expect({ name, path, gone }).toEqual({ name, path, gone: meant });
  }
}

const policy = fc.constantFrom(undefined, undefined, 'audit' as const, 'enforce' as const);

/** Starts a process with other flags. */
function obey(fixture: ReconcileFixture, mode: 'audit' | 'enforce' | undefined): void {
  const before = fixture.requiredContext;
  const pairs = [{ name: 'of', value: '{{namespace}}' }];
  fixture.requiredContext = RequiredContext.of(
    mode === undefined ? undefined : { mode, own: pairs, partial: pairs, exemptNamespaces: [] },
  );
  if (fixture.requiredContext !== before) fixture.restart();
}

describe('the plan for any files, any cluster and any Vault', () => {
  it('forecasts what the operator then does', async () => {
    let planned = 0;
    const edits = fc
      .uniqueArray(fc.oneof({ weight: 3, arbitrary: secretEdit }, { weight: 1, arbitrary: partialEdit }), {
        minLength: 1,
        maxLength: 4,
        selector: ({ name }) => name,
      })
      // New ones of one moment compete by name.
      .map((list) => [...list].sort((a, b) => (a.name < b.name ? -1 : 1)));
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 20 }),
        edits,
        fc.boolean(),
        fc.constantFrom(...SECRETS),
        fc.tuple(policy, policy),
        fc.boolean(),
        async (history, changes, restart, deleted, [before, now], provenance) => {
          const fixture = new ReconcileFixture();
          fixture.provenance = provenance;
          fixture.restart();
          fixture.kms.denied.add('denied');
          obey(fixture, before);
          for (const one of history) await apply(fixture, one);
          obey(fixture, now);
          await check(fixture, changes, restart, deleted);
          planned += 1;
        },
      ),
      { numRuns: 300 },
    );
    expect(planned).toBeGreaterThanOrEqual(300);
  }, 120_000);
});
