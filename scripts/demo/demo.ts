import 'reflect-metadata';

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';

import { ChildProgram } from '../../test/support/child-program.js';
import { KubeApi, manifestsIn } from '../../test/support/kube-api.js';
import { startLoopbackStand } from '../../test/support/loopback-stand.js';
import { VaultApi } from '../../test/support/vault-api.js';
import { Narrator } from './narrator.js';
import { Story } from './story.js';

const DIRECTORY = resolve('.demo');
const MANIFESTS = [
  'manifests/namespace.yaml',
  'manifests/crds/kmsvaultsecrets.yaml',
  'manifests/crds/partialkmsvaultsecrets.yaml',
  'manifests/rbac/service-account.yaml',
  'manifests/rbac/cluster-role.yaml',
  'manifests/rbac/cluster-role-binding.yaml',
];
/** What the operator may do in the demo's Vault. */
const POLICY = ['secret/data/*', 'secret/metadata/*', 'kv/*']
  .map((path) => `path "${path}" { capabilities = ["create", "read", "update", "delete"] }`)
  .join('\n');

const known = ['--once', '--show-values'];
const unknown = process.argv.slice(2).filter((argument) => !known.includes(argument));
if (unknown.length > 0) {
  process.stderr.write(`demo: unknown argument ${unknown.join(' ')}; known: ${known.join(' ')}\n`);
  process.exit(2);
}
const once = process.argv.includes('--once');
const narrator = new Narrator();
const interrupted = new Promise<'interrupted'>((resolve) => {
  process.on('SIGINT', () => {
    resolve('interrupted');
  });
  process.on('SIGTERM', () => {
    resolve('interrupted');
  });
});

process.exitCode = await main();

async function main(): Promise<number> {
  const stand = await startLoopbackStand();
  const kube = new KubeApi(stand.kubernetes.adminKubeconfig());
  const root = new VaultApi(stand.vault.url, stand.vault.rootToken);
  let operator: ChildProgram | undefined;
  try {
    narrator.title('kms-vault-operator: encrypted YAML in git, plain values in Vault');
    narrator.say(
      'Kubernetes, Vault and KMS run on loopback inside this process; the operator is the built program.',
    );
    rmSync(DIRECTORY, { recursive: true, force: true });
    mkdirSync(DIRECTORY, { recursive: true, mode: 0o700 });
    writeFileSync(`${DIRECTORY}/kubeconfig`, stand.kubernetes.adminKubeconfig(), { mode: 0o600 });

    narrator.begin('Prepare: custom resources and role from manifests/, K/V engines and a policy in Vault');
    await kube.applyAll(manifestsIn(...MANIFESTS));
    await root.write('sys/mounts/secret', { type: 'kv', options: { version: '2' } });
    await root.write('sys/mounts/kv', { type: 'kv', options: { version: '1' } });
    await root.write('sys/policies/acl/kms-vault-operator', { policy: POLICY });
    const created = await root.write('auth/token/create', {
      policies: ['kms-vault-operator'],
      period: '24h',
    });
    const token = await kube.serviceAccountToken('vault', 'kms-vault-operator');
    writeFileSync(`${DIRECTORY}/operator-kubeconfig`, kube.kubeconfigFor(token), { mode: 0o600 });
    narrator.say('join in from another terminal:');
    narrator.say(`  kubectl --kubeconfig ${DIRECTORY}/kubeconfig get kmsvs -w`);

    narrator.begin('Start the operator: flags and environment, nothing else');
    operator = new ChildProgram(
      'dist/main.js',
      ['--sync-period-seconds=3', '--metrics-addr=127.0.0.1:0', '--health-addr=127.0.0.1:0'],
      {
        ...stand.awsEnvironment,
        KUBECONFIG: `${DIRECTORY}/operator-kubeconfig`,
        VAULT_ADDR: stand.vault.url,
        VAULT_TOKEN: String(created.auth.client_token),
      },
    );
    await operator.logged('all resources are known; syncing begins');
    narrator.check('it watches both kinds and is logged in to Vault');

    const story = new Story({
      kube,
      vault: root,
      kmsUrl: stand.kms.url,
      narrator,
      showValues: process.argv.includes('--show-values'),
    });
    const ended = await Promise.race([
      story.tell().then(() => 'told' as const),
      interrupted,
      operator.exited.then(() => 'gone' as const),
    ]);
    if (ended === 'gone') throw new Error(`the operator ended by itself:\n${operator.output}`);
    if (ended === 'told' && !once) {
      narrator.title('Your turn');
      narrator.say(`kubectl --kubeconfig ${DIRECTORY}/kubeconfig get kmsvs -w`);
      narrator.say(`curl -H 'X-Vault-Token: ${stand.vault.rootToken}' ${stand.vault.url}/v1/secret/data/web`);
      narrator.say('The samples are in manifests/samples. Ctrl-C ends everything.');
      await interrupted;
    }
    const code = await operator.stop();
    if (code !== 0) throw new Error(`the operator ended with ${String(code)}`);
    if (ended === 'told') narrator.check('the operator ended cleanly');
    if (once) narrator.title(`${String(narrator.checked.length)} things checked, all as they should be`);
    return 0;
  } catch (error) {
    process.stderr.write(`\ndemo failed: ${error instanceof Error ? error.message : String(error)}\n`);
    if (operator !== undefined)
      process.stderr.write(`the operator's last lines:\n${operator.output.slice(-3000)}\n`);
    return 1;
  } finally {
    operator?.signal('SIGKILL');
    kube.close();
    root.close();
    await stand.close();
  }
}
