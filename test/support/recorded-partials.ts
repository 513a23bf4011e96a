import { DELETE_FINALIZER, PARTIAL_KIND } from '../../src/api/group.js';
import type { PartialReason } from '../../src/api/partial-reasons.js';
import type { PartialKMSVaultSecret, PartialKMSVaultSecretSpec } from '../../src/api/resources.js';
import { FakeKms } from './fake-kms.js';
import { ReconcileFixture } from './reconcile-fixture.js';

const NAME = 'shared';

/** A `PartialKMSVaultSecret` as an API server shows it in one state, with a status that the operator's code wrote. */
export interface RecordedPartial {
  /** The reason of `Ready`; undefined where the operator has not looked at the object yet. */
  readonly reason: PartialReason | undefined;
  /** The state, which is unique. */
  readonly state: string;
  readonly object: PartialKMSVaultSecret;
}

type Scene = (fixture: ReconcileFixture) => Promise<void>;

const GOOD = { key: 'good', encryptedSecret: FakeKms.encrypt('value') };
const BAD = { key: 'bad', encryptedSecret: FakeKms.encrypt('value', { wrong: 'context' }) };

async function reconciled(
  fixture: ReconcileFixture,
  spec: PartialKMSVaultSecretSpec,
  finalizers: string[] = [],
) {
  fixture.partial(NAME, spec, { finalizers });
  await fixture.reconcile(NAME, 'edit', PARTIAL_KIND);
}

async function included(fixture: ReconcileFixture): Promise<void> {
  fixture.secret('app', { includeSecrets: [NAME] });
  await fixture.reconcile('app', 'edit');
  await fixture.reconcile(NAME, 'edit', PARTIAL_KIND);
}

const SCENES: readonly (readonly [state: string, reason: PartialReason | undefined, scene: Scene])[] = [
  [
    'not looked at yet',
    undefined,
    (fixture) => {
      fixture.partial(NAME, { secrets: [GOOD] });
      return Promise.resolve();
    },
  ],
  ['included by nobody', 'Valid', (fixture) => reconciled(fixture, { secrets: [GOOD] })],
  [
    'included',
    'Valid',
    async (fixture) => {
      await reconciled(fixture, { secrets: [GOOD] });
      await included(fixture);
    },
  ],
  [
    'a value that is not base64',
    'Invalid',
    (fixture) => reconciled(fixture, { secrets: [GOOD, { key: 'odd', encryptedSecret: '%' }] }),
  ],
  ['an invalid spec', 'Invalid', (fixture) => reconciled(fixture, { secrets: [GOOD, GOOD] })],
  [
    'a value that KMS refuses to a resource that includes it',
    'Invalid',
    async (fixture) => {
      await reconciled(fixture, { secrets: [GOOD, BAD] });
      await included(fixture);
    },
  ],
  [
    'being withdrawn while Vault is down',
    'Withdrawing',
    async (fixture) => {
      await reconciled(fixture, { secrets: [GOOD] }, [DELETE_FINALIZER]);
      await included(fixture);
      fixture.vault.down = true;
      fixture.delete(PARTIAL_KIND, NAME);
      await fixture.reconcile(NAME, 'edit', PARTIAL_KIND);
    },
  ],
  [
    'kept by a finalizer of another controller',
    'Withdrawing',
    async (fixture) => {
      await reconciled(fixture, { secrets: [GOOD] }, ['example.com/other']);
      fixture.delete(PARTIAL_KIND, NAME);
      await fixture.reconcile(NAME, 'edit', PARTIAL_KIND);
    },
  ],
];

/** Objects of every reason, as `recordedSecrets` for the other kind. */
export async function recordedPartials(): Promise<RecordedPartial[]> {
  return await Promise.all(
    SCENES.map(async ([state, reason, scene]) => {
      const fixture = new ReconcileFixture();
      await scene(fixture);
      const object = fixture.cache.partial('default', NAME);
      if (object === undefined) throw new Error(`${state}: the object is gone`);
      const status = object.status ?? { observedGeneration: -1 };
      return { state, reason, object: structuredClone({ ...object, status }) };
    }),
  );
}
