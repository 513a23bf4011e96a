import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

import type { Json } from '../../test/support/http-json.js';
import { type KubeApi, manifestsIn } from '../../test/support/kube-api.js';
import type { VaultApi } from '../../test/support/vault-api.js';
import { eventually } from '../../test/support/wait.js';
import type { Author } from './author.js';
import type { Narrator } from './narrator.js';
import { SAMPLES } from './playground.js';

const NAMESPACE = 'default';
/** The values of the samples, as they are in Vault. */
const EXPECTED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'secret/data/web': {
    'database-password': 'correct horse battery staple',
    'session-key': '5f4dcc3b5aa765d61d8327deb882cf99',
    'feature-flags': '',
    'smtp-password': 'mail-me-maybe',
  },
  'kv/billing': { 'api-token': 'tok-4eC39HqLyjWDarjtT1zdp7dc', 'smtp-password': 'mail-me-maybe' },
  'secret/data/team/pinned': { 'certificate-password': 'pinned-to-a-version' },
};

/** What the author encrypts, by sample. */
const VALUES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  shared: { 'smtp-password': 'mail-me-maybe' },
  web: EXPECTED['secret/data/web'] ?? {},
  billing: EXPECTED['kv/billing'] ?? {},
  pinned: EXPECTED['secret/data/team/pinned'] ?? {},
};

/** What the demo shows, step by step; every step checks itself. */
export class Story {
  constructor(
    private readonly deps: {
      readonly kube: KubeApi;
      readonly vault: VaultApi;
      readonly author: Author;
      readonly narrator: Narrator;
      readonly showValues: boolean;
    },
  ) {}

  async tell(): Promise<void> {
    await this.encrypt();
    await this.samples();
    await this.edit();
    await this.drift();
    await this.partial();
    await this.badItem();
    await this.deletion();
  }

  private async encrypt(): Promise<void> {
    const { author, narrator } = this.deps;
    narrator.begin("Encrypt the values of the samples with the author's tool");
    for (const sample of SAMPLES) {
      const file = author.start(sample);
      const partial = VALUES.shared ?? {};
      const name = basename(sample, '.yaml');
      for (const [key, value] of Object.entries(VALUES[name] ?? {})) {
        // What it includes is encrypted once, in the partial.
        if (name === 'shared' || !Object.hasOwn(partial, key)) await author.set(file, key, value);
      }
    }
    narrator.check('every value is a ciphertext under the key of the demo, with the context of its resource');
  }

  private async samples(): Promise<void> {
    const { kube, narrator } = this.deps;
    narrator.begin('Apply manifests/samples: what a team keeps in git');
    await kube.applyAll(manifestsIn(...SAMPLES.map((sample) => this.fileOf(sample))));
    for (const [path, expected] of Object.entries(EXPECTED)) {
      await this.inVault(path, expected);
    }
    for (const name of ['web', 'billing', 'pinned']) await this.reason(name, 'Synced');
    narrator.say('kubectl get kmsvs');
    await this.columns();
    await this.showVault(Object.keys(EXPECTED));
    narrator.check('every value is in Vault, and every sample is Ready');
  }

  private async edit(): Promise<void> {
    const { author, kube, narrator } = this.deps;
    narrator.begin('Change a value in an editor, and apply the file');
    const file = this.fileOf('web.yaml');
    const before = readFileSync(file, 'utf8').split('\n');
    await author.edit(file, 'correct horse battery staple', 'a better password');
    const changed = readFileSync(file, 'utf8')
      .split('\n')
      .filter((line, index) => line !== before[index]);
    if (changed.length !== 1) throw new Error(`${String(changed.length)} lines of ${file} have changed`);
    narrator.say(`the only line that has changed: ${(changed[0] ?? '').trim().slice(0, 48)}…`);
    await author.plan(file, 'changes');
    await kube.applyAll(manifestsIn(file));
    await this.inVault('secret/data/web', {
      ...EXPECTED['secret/data/web'],
      'database-password': 'a better password',
    });
    await this.showVault(['secret/data/web']);
    narrator.check('the new value is in Vault as version 2; version 1 is in the history');
    if ((await this.deps.vault.version('secret/data/web')) !== 2) throw new Error('expected version 2');
    await author.plan(file, 'nothing to do');
    narrator.check('the plan announced the change and the version, and has nothing left to announce');
  }

  private async drift(): Promise<void> {
    const { vault, narrator } = this.deps;
    narrator.begin('Change a value by hand in Vault: the operator restores it');
    await vault.write('secret/data/web', { data: { 'database-password': 'changed by hand' } });
    await vault.write('kv/billing', { 'api-token': 'changed by hand' });
    narrator.say('vault kv put secret/web database-password=…');
    await this.inVault('secret/data/web', {
      ...EXPECTED['secret/data/web'],
      'database-password': 'a better password',
    });
    await this.inVault('kv/billing', EXPECTED['kv/billing'] ?? {});
    await this.event('web', 'DriftRepaired');
    narrator.check('both values are back within one sync period, with an event');
  }

  private async partial(): Promise<void> {
    const { author, kube, narrator } = this.deps;
    narrator.begin('Change the shared partial: every resource that includes it follows');
    const file = this.fileOf('shared.yaml');
    await author.set(file, 'smtp-password', 'new-mail-password');
    await kube.applyAll(manifestsIn(file));
    for (const path of ['secret/data/web', 'kv/billing']) {
      await eventually(
        `the new value at ${path}`,
        async () => (await this.read(path))?.['smtp-password'] === 'new-mail-password',
      );
    }
    await this.showVault(['secret/data/web', 'kv/billing']);
    narrator.check('web and billing have the new smtp-password');
  }

  private async badItem(): Promise<void> {
    const { author, kube, narrator } = this.deps;
    narrator.begin('Apply a resource with one item that cannot be decrypted');
    const file = author.write('half-broken.yaml', HALF_BROKEN);
    await author.set(file, 'good', 'fine');
    await author.set(file, 'bad', 'lost', '--context', 'somebody=else');
    // Somebody loses the context on the way.
    const lost = readFileSync(file, 'utf8').replace(/ +secretContext:\n +somebody: else\n/, '');
    await kube.applyAll(manifestsIn(author.write('half-broken.yaml', lost)));
    await this.inVault('secret/data/half-broken', { good: 'fine' });
    const condition = await this.reason('half-broken', 'DecryptionFailed');
    narrator.say(`Ready=False DecryptionFailed: ${condition.message as string}`);
    await this.event('half-broken', 'DecryptingError');
    await this.columns();
    narrator.check('the good item is in Vault, the bad one is skipped and named');
  }

  private async deletion(): Promise<void> {
    const { kube, narrator } = this.deps;
    narrator.begin('Delete two resources: billing with the finalizer, half-broken without');
    await kube.delete('KMSVaultSecret', NAMESPACE, 'billing');
    await kube.delete('KMSVaultSecret', NAMESPACE, 'half-broken');
    await eventually('billing is gone from Vault', async () => (await this.read('kv/billing')) === undefined);
    await eventually(
      'billing is gone',
      async () => (await kube.get('KMSVaultSecret', NAMESPACE, 'billing')) === undefined,
    );
    if ((await this.read('secret/data/half-broken'))?.good !== 'fine')
      throw new Error('half-broken left Vault without a finalizer');
    await this.showVault(['kv/billing', 'secret/data/half-broken']);
    narrator.check('billing is gone from Vault, half-broken is still there');
  }

  private fileOf(sample: string): string {
    return join(this.deps.author.folder, basename(sample));
  }

  private async read(path: string): Promise<Record<string, string> | undefined> {
    return await this.deps.vault.read(path);
  }

  private async inVault(path: string, expected: Readonly<Record<string, string>>): Promise<void> {
    const sorted = (value: object): string => JSON.stringify(Object.entries(value).sort());
    await eventually(
      `the values at ${path}`,
      async () => sorted((await this.read(path)) ?? {}) === sorted(expected),
    );
  }

  private async reason(name: string, reason: string): Promise<Json> {
    return await eventually(`${name} says ${reason}`, async () => {
      const secret = await this.deps.kube.get('KMSVaultSecret', NAMESPACE, name);
      return secret?.status?.conditions?.find((condition: Json) => condition.reason === reason);
    });
  }

  private async event(name: string, reason: string): Promise<void> {
    await eventually(`event ${reason} on ${name}`, async () =>
      (await this.deps.kube.events(NAMESPACE, name)).some((event) => event.reason === reason),
    );
  }

  private async columns(): Promise<void> {
    const secrets = await this.deps.kube.list('KMSVaultSecret', NAMESPACE);
    this.deps.narrator.table([
      ['NAME', 'PATH', 'ENGINE', 'READY', 'REASON', 'KEYS'],
      ...secrets.map(({ metadata, spec, status }) => {
        const ready = status?.conditions?.find((condition: Json) => condition.type === 'Ready');
        return [
          metadata.name,
          spec.path,
          spec.kvSettings.engineVersion,
          ready?.status ?? '',
          ready?.reason ?? '',
          status?.keys ?? '',
        ];
      }),
    ]);
  }

  private async showVault(paths: readonly string[]): Promise<void> {
    const { narrator, showValues } = this.deps;
    narrator.say(showValues ? 'in Vault:' : 'in Vault (values masked; --show-values shows them):');
    for (const path of paths) {
      const data = await this.read(path);
      if (data === undefined) narrator.say(`  ${path}  (nothing)`);
      for (const [key, value] of Object.entries(data ?? {})) {
        const shown = value === '' ? '(empty)' : showValues ? value : '•'.repeat(8);
        narrator.say(`  ${path}  ${key} = ${shown}`);
      }
    }
  }
}

const HALF_BROKEN = `apiVersion: k8s.patoarvizu.dev/v1alpha1
kind: KMSVaultSecret
metadata:
  name: half-broken
  namespace: ${NAMESPACE}
spec:
  path: secret/data/half-broken
  kvSettings:
    engineVersion: v2
`;
