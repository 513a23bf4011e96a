import 'reflect-metadata';

import { ChildProgram } from '../../test/support/child-program.js';
import { Author } from './author.js';
import { Narrator } from './narrator.js';
import { startPlayground } from './playground.js';
import { Story } from './story.js';

const DIRECTORY = '.demo';

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
  narrator.title('kms-vault-operator: encrypted YAML in git, plain values in Vault');
  narrator.say(
    'Kubernetes, Vault and KMS run on loopback inside this process; the operator is the built program.',
  );
  narrator.begin('Prepare: custom resources and role from manifests/, K/V engines and a policy in Vault');
  const playground = await startPlayground(DIRECTORY);
  const { fixture, kube, vault, operatorEnvironment } = playground;
  let operator: ChildProgram | undefined;
  try {
    narrator.say('watch from another terminal:');
    narrator.say(`  kubectl --kubeconfig ${DIRECTORY}/kubeconfig get kmsvs -w`);

    narrator.begin('Start the operator: flags and environment, nothing else');
    operator = new ChildProgram(
      'dist/main.js',
      ['--sync-period-seconds=3', '--metrics-addr=127.0.0.1:0', '--health-addr=127.0.0.1:0'],
      operatorEnvironment,
    );
    await operator.logged('initial list complete; starting to sync');
    narrator.check('it watches both kinds and has logged in to Vault');

    const story = new Story({
      kube,
      vault,
      author: new Author(
        `${DIRECTORY}/samples`,
        {
          ...fixture.awsEnvironment,
          KUBECONFIG: `${DIRECTORY}/kubeconfig`,
          VAULT_ADDR: fixture.vault.url,
          VAULT_TOKEN: fixture.vault.rootToken,
        },
        narrator,
      ),
      narrator,
      showValues: process.argv.includes('--show-values'),
    });
    const ended = await Promise.race([
      story.tell().then(() => 'told' as const),
      interrupted,
      operator.exited.then(() => 'gone' as const),
    ]);
    if (ended === 'gone') throw new Error(`the operator exited unexpectedly:\n${operator.output}`);
    if (ended === 'told' && !once) {
      narrator.title('Your turn');
      narrator.say(`kubectl --kubeconfig ${DIRECTORY}/kubeconfig get kmsvs -w`);
      narrator.say(
        `curl -H 'X-Vault-Token: ${fixture.vault.rootToken}' ${fixture.vault.url}/v1/secret/data/web`,
      );
      narrator.say(`The samples are in ${DIRECTORY}/samples. Ctrl-C stops everything.`);
      await interrupted;
    }
    const code = await operator.stop();
    if (code !== 0) throw new Error(`the operator ended with ${String(code)}`);
    if (ended === 'told') narrator.check('the operator ended cleanly');
    if (once) narrator.title(`${String(narrator.checked.length)} checks passed`);
    return 0;
  } catch (error) {
    process.stderr.write(`\ndemo failed: ${error instanceof Error ? error.message : String(error)}\n`);
    if (operator !== undefined)
      process.stderr.write(`the operator's last lines:\n${operator.output.slice(-3000)}\n`);
    return 1;
  } finally {
    operator?.signal('SIGKILL');
    await playground.close();
  }
}
