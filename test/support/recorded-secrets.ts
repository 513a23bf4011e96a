import { AllowedPaths } from '../../src/api/allowed-paths.js';
import { RequiredContext } from '../../src/api/required-context.js';
import { DELETE_FINALIZER, SECRET_KIND } from '../../src/api/group.js';
import type { ReadyReason } from '../../src/api/reasons.js';
import type { KMSVaultSecret, KMSVaultSecretSpec } from '../../src/api/resources.js';
import { VaultError } from '../../src/vault/vault-error.js';
import { FakeKms } from './fake-kms.js';
import { ReconcileFixture } from './reconcile-fixture.js';

const NAME = 'app';

/** A `KMSVaultSecret` as an API server shows it in one state, with a status that the operator's code wrote. */
export interface RecordedSecret {
  /** The reason of `Ready`; undefined where the operator has not looked at the object yet. */
  readonly reason: ReadyReason | undefined;
  /** The state, which is unique. */
  readonly state: string;
  readonly object: KMSVaultSecret;
}

type Scene = (fixture: ReconcileFixture) => Promise<void>;

const item = (key: string, context = {}): { key: string; encryptedSecret: string } => ({
  key,
  encryptedSecret: FakeKms.encrypt(`value of ${key}`, context),
});
const WRONG_CONTEXT = { wrong: 'context' };

/** Applies the resource and lets the operator reconcile it. */
function reconciled(
  spec: Partial<KMSVaultSecretSpec>,
  before: (fixture: ReconcileFixture) => void = noop,
): Scene {
  return async (fixture) => {
    before(fixture);
    fixture.secret(NAME, spec);
    await fixture.reconcile(NAME, 'edit');
  };
}

const refusedBy =
  (refusal: VaultError): Scene =>
  async (fixture) => {
    fixture.vault.refusal = refusal;
    await reconciled({ secrets: [item('a')] })(fixture);
  };

const noop = (): void => undefined;

const SCENES: readonly (readonly [state: string, reason: ReadyReason | undefined, scene: Scene])[] = [
  [
    'not looked at yet',
    undefined,
    (fixture) => {
      fixture.secret(NAME, { secrets: [item('a')] });
      return Promise.resolve();
    },
  ],
  ['synced', 'Synced', reconciled({ secrets: [item('a'), item('b')] })],
  [
    'edited, and not looked at since',
    'Synced',
    async (fixture) => {
      await reconciled({ secrets: [item('a')] })(fixture);
      fixture.secret(NAME, { secrets: [item('a'), item('b')] });
    },
  ],
  [
    'synced, with a key from two sources',
    'KeyConflict',
    reconciled({ secrets: [item('a')], includeSecrets: ['shared'] }, (fixture) => {
      fixture.partial('shared', { secrets: [item('a')] });
    }),
  ],
  [
    'a key with wrong input',
    'DecryptionFailed',
    reconciled({ secrets: [item('a'), item('b', WRONG_CONTEXT)] }),
  ],
  [
    'a key that an administrator denies',
    'DecryptionFailed',
    reconciled({ secrets: [item('a'), item('b')] }, ({ kms }) => kms.denied.add('value of b')),
  ],
  [
    'a key with wrong input and one that an administrator denies',
    'DecryptionFailed',
    reconciled({ secrets: [item('a', WRONG_CONTEXT), item('b'), item('c')] }, ({ kms }) =>
      kms.denied.add('value of b'),
    ),
  ],
  [
    'a ciphertext of another namespace',
    'ContextNotAllowed',
    reconciled({ secrets: [item('a')] }, (fixture) => {
      const own = [{ name: 'namespace', value: '{{namespace}}' }];
      fixture.requiredContext = RequiredContext.of({
        mode: 'enforce',
        own,
        partial: own,
        exemptNamespaces: [],
      });
      fixture.restart();
    }),
  ],
  ['a missing include', 'IncludeNotFound', reconciled({ secrets: [item('a')], includeSecrets: ['missing'] })],
  [
    'a missing include and a key with wrong input',
    'IncludeNotFound',
    reconciled({ secrets: [item('a'), item('b', WRONG_CONTEXT)], includeSecrets: ['missing'] }),
  ],
  [
    'a pinned version that has passed',
    'CasIndexStale',
    reconciled({ secrets: [item('a')], kvSettings: { engineVersion: 'v2', casIndex: 0 } }, ({ vault }) => {
      for (const version of [1, 2, 3])
        vault.tamper('secret/data/app', 'v2', new Map([['n', String(version)]]));
    }),
  ],
  [
    'a new resource while KMS is down',
    'KmsUnavailable',
    reconciled({ secrets: [item('a')] }, ({ kms }) => (kms.down = true)),
  ],
  [
    'a change while KMS is down',
    'KmsUnavailable',
    async (fixture) => {
      await reconciled({ secrets: [item('a')] })(fixture);
      await reconciled({ secrets: [item('a'), item('b')] }, ({ kms }) => (kms.down = true))(fixture);
    },
  ],
  [
    'a new resource while Vault is down',
    'VaultUnavailable',
    reconciled({ secrets: [item('a')] }, ({ vault }) => (vault.down = true)),
  ],
  [
    'an outage without a change',
    'Synced',
    async (fixture) => {
      await reconciled({ secrets: [item('a')] })(fixture);
      fixture.vault.down = true;
      await fixture.reconcile(NAME);
    },
  ],
  [
    'another engine at the mount',
    'EngineMismatch',
    refusedBy(new VaultError('engine-mismatch', 'the mount is v1')),
  ],
  ['a path that Vault denies', 'VaultForbidden', refusedBy(new VaultError('forbidden', 'Vault denies it'))],
  [
    'a path that Vault denies for now',
    'VaultForbidden',
    refusedBy(new VaultError('forbidden', 'Vault denies it', {}, undefined, 'soon')),
  ],
  [
    'a path that an older resource has',
    'PathConflict',
    reconciled({ path: 'secret/data/taken', secrets: [item('a')] }, (fixture) =>
      fixture.secret('older', { path: 'secret/data/taken', secrets: [item('a')] }),
    ),
  ],
  ['a path that is not allowed', 'PathNotAllowed', reconciled({ path: 'elsewhere/data/app' })],
  ['an invalid path', 'InvalidPath', reconciled({ path: 'sys/policies/acl/root' })],
  ['an invalid spec', 'InvalidSpec', reconciled({ secrets: [item('a'), item('a')] })],
  [
    'deleted while Vault is down',
    'Deleting',
    async (fixture) => {
      fixture.secret(NAME, { secrets: [item('a')] }, { finalizers: [DELETE_FINALIZER] });
      await fixture.reconcile(NAME);
      fixture.vault.down = true;
      fixture.delete(SECRET_KIND, NAME);
      await fixture.reconcile(NAME, 'edit');
    },
  ],
];

/** With `spec.suspend`; their reason is the one of `Ready` when they were suspended. */
const SUSPENDED: typeof SCENES = [
  [
    'suspended, and written',
    'Synced',
    async (fixture) => {
      await reconciled({ secrets: [item('a')] })(fixture);
      await reconciled({ secrets: [item('a')], suspend: true })(fixture);
    },
  ],
  ['suspended before it was written', undefined, reconciled({ secrets: [item('a')], suspend: true })],
  [
    'suspended with a change',
    'Synced',
    async (fixture) => {
      await reconciled({ secrets: [item('a')] })(fixture);
      await reconciled({ secrets: [item('a'), item('b')], suspend: true })(fixture);
    },
  ],
  [
    'suspended with an invalid path',
    'InvalidPath',
    async (fixture) => {
      await reconciled({ path: 'sys/policies/acl/root' })(fixture);
      await reconciled({ path: 'sys/policies/acl/root', suspend: true })(fixture);
    },
  ],
  [
    'deleted while it is suspended',
    'Synced',
    async (fixture) => {
      fixture.secret(NAME, { secrets: [item('a')] }, { finalizers: [DELETE_FINALIZER] });
      await fixture.reconcile(NAME);
      await reconciled({ secrets: [item('a')], suspend: true })(fixture);
      fixture.delete(SECRET_KIND, NAME);
      await fixture.reconcile(NAME, 'edit');
    },
  ],
];

/** Objects of every reason. The operator's own code writes their statuses, so they cannot drift from it. */
export async function recordedSecrets(): Promise<RecordedSecret[]> {
  return await recordedOf(SCENES);
}

/** Suspended objects, as {@link recordedSecrets}. */
export async function recordedSuspensions(): Promise<RecordedSecret[]> {
  return await recordedOf(SUSPENDED);
}

async function recordedOf(scenes: typeof SCENES): Promise<RecordedSecret[]> {
  return await Promise.all(
    scenes.map(async ([state, reason, scene]) => {
      const fixture = new ReconcileFixture(AllowedPaths.of(['secret/**', 'kv/**', 'sys/**']));
      await scene(fixture);
      const object = fixture.cache.secret('default', NAME);
      if (object === undefined) throw new Error(`${state}: the object is gone`);
      return { state, reason, object: shown(object) };
    }),
  );
}

/** With the default of the CRD, which the API server shows for a status that is not there. */
function shown(object: KMSVaultSecret): KMSVaultSecret {
  return structuredClone({ ...object, status: object.status ?? { observedGeneration: -1 } });
}
