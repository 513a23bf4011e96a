import 'reflect-metadata';

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

import { ChildProgram } from '../../test/support/child-program.js';
import { manifestsIn } from '../../test/support/kube-api.js';
import { type Playground, SAMPLES, startPlayground } from '../demo/playground.js';

const DIRECTORY = '.demo';
const FLAGS = [
  '--sync-period-seconds=10',
  '--log-format=text',
  '--log-level=debug',
  '--metrics-addr=127.0.0.1:0',
  '--health-addr=127.0.0.1:0',
];

const playground = await startPlayground(DIRECTORY);
await playground.kube.applyAll(manifestsIn(...SAMPLES));
say('Kubernetes, Vault and KMS run on loopback; they keep their state while the operator restarts.');
say(`kubectl --kubeconfig ${DIRECTORY}/kubeconfig get kmsvs -w`);
say(`VAULT_ADDR=${playground.fixture.vault.url} VAULT_TOKEN=${playground.fixture.vault.rootToken}`);
say('Edit src; the operator is rebuilt and restarted. Ctrl-C ends everything.');

const builder = spawn(process.execPath, ['scripts/build.mjs', '--watch'], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
/** One restart at a time: a build that ends while the operator is shutting down waits for its turn. */
let restarts: Promise<void> = Promise.resolve();
let operator: ChildProgram | undefined;
createInterface({ input: builder.stdout }).on('line', (line) => {
  if (line === 'built operator') restarts = restarts.then(restart);
});

const signals = ['SIGINT', 'SIGTERM'] as const;
await new Promise<void>((resolve) => {
  for (const signal of signals) process.once(signal, resolve);
  builder.once('exit', resolve);
});
builder.kill();
await restarts;
await operator?.stop();
await playground.close();

async function restart(): Promise<void> {
  await operator?.stop();
  operator = start(playground);
  say(`the operator runs as process ${String(operator.pid)}`);
}

function start({ operatorEnvironment }: Playground): ChildProgram {
  return new ChildProgram('dist/main.js', FLAGS, operatorEnvironment, (line) => {
    process.stdout.write(`${line}\n`);
  });
}

function say(text: string): void {
  process.stdout.write(`dev: ${text}\n`);
}
