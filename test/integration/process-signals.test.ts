import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { kubeconfig } from '../servers/kubernetes/kubeconfig.js';
import { AUTH_METHODS } from '../../src/vault/authenticator-factory.js';
import { ChildProgram } from '../support/child-program.js';
import { eventually } from '../support/wait.js';
import { WebhookStand } from './webhook-stand.js';

const canUnshare = spawnSync('unshare', ['--pid', '--fork', 'true']).status === 0;
let stand: WebhookStand;
let folder: string;

beforeAll(async () => {
  stand = await WebhookStand.prepare();
  folder = mkdtempSync(join(tmpdir(), 'signals-'));
  const nowhere = { server: 'http://127.0.0.1:1', caCert: stand.authority.cert, user: { token: 't' } };
  writeFileSync(join(folder, 'kubeconfig'), kubeconfig(nowhere));
});

afterAll(async () => {
  await stand.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Program {
  readonly script: string;
  readonly flags: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

function programOf(name: string): Program {
  if (name === 'webhook')
    return { script: 'dist/webhook.js', flags: stand.flags, env: { AWS_REGION: 'eu-west-1' } };
  const flags = [
    '--metrics-addr=127.0.0.1:0',
    '--health-addr=127.0.0.1:0',
    `--kubeconfig=${join(folder, 'kubeconfig')}`,
  ];
  const env = { AWS_REGION: 'eu-west-1', VAULT_ADDR: 'http://127.0.0.1:1', VAULT_TOKEN: 'x' };
  return { script: 'dist/main.js', flags, env };
}

describe.each(['operator', 'webhook'])('the %s, told to end', (name) => {
  it('takes the signal before its other modules are loaded', () => {
    const { script } = programOf(name);
    const source = readFileSync(script.replace('dist/', 'src/').replace('.js', '.ts'), 'utf8');
    expect(/^import .*$/m.exec(source)?.[0]).toContain('./early-signals.js');
    // Bundled in the order of the imports; what stands before is only defined, not run.
    const bundle = readFileSync(script, 'utf8');
    expect(bundle.indexOf('process.on("SIGTERM",')).toBeGreaterThan(0);
    expect(bundle.indexOf('process.on("SIGTERM",')).toBeLessThan(bundle.indexOf('process.on("SIGUSR1",'));
  });

  it('ends with 0 at any later moment of its start', async () => {
    const { script, flags, env } = programOf(name);
    for (const message of [
      'starting',
      name === 'webhook' ? 'serving metrics and health' : 'serving metrics',
    ]) {
      const program = new ChildProgram(script, flags, env);
      await program.logged(message);
      program.signal('SIGTERM');
      expect(await program.exited).toEqual({ code: 0, signal: null });
    }
  }, 60_000);

  (canUnshare ? it : it.skip)(
    'ends with 0 as process 1 of a container (needs unshare)',
    async () => {
      const { script, flags, env } = programOf(name);
      const outer = spawn('unshare', ['--pid', '--fork', process.execPath, script, ...flags], {
        env: { PATH: process.env.PATH ?? '', ...env },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const ended = new Promise<number | null>((resolve) => outer.on('close', resolve));
      await new Promise((resolve) => outer.stdout?.once('data', resolve));
      const pid = String(outer.pid);
      process.kill(Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')), 'SIGTERM');
      expect(await ended).toBe(0);
    },
    60_000,
  );
});

/** One canary for each secret variable of each auth method, whichever method is used. */
function secretsOfMethods(): Record<string, string> {
  const names = AUTH_METHODS.flatMap(({ variables }) => variables)
    .filter(({ secret }) => secret === true)
    .map(({ name }) => name);
  expect(names.length).toBeGreaterThan(4);
  return Object.fromEntries(names.map((name) => [name, `canary-${name}`]));
}

describe.each(['operator', 'webhook'])('a process report of the %s', (name) => {
  it('holds no variable with a secret, whatever the version of Node leaves out', async () => {
    const { script, flags, env } = programOf(name);
    const secrets = {
      AWS_ACCESS_KEY_ID: 'AKIAcanary1',
      AWS_SECRET_ACCESS_KEY: 'canary2',
      AWS_SESSION_TOKEN: 'canary3',
      AWS_ACCESS_KEY: 'canary4',
      AWS_SECRET_KEY: 'canary5',
      VAULT_HEADERS: '{"X-Key":"canary6"}',
      HTTPS_PROXY: 'http://user:canary7@127.0.0.1:1',
      ...(name === 'operator' ? secretsOfMethods() : {}),
    };
    const program = new ChildProgram(script, flags, {
      ...env,
      ...secrets,
      MARK: 'a-variable',
      NODE_OPTIONS: `--report-on-signal --report-signal=SIGUSR2 --report-directory=${folder} --report-filename=${name}.json`,
    });
    await program.logged(name === 'webhook' ? 'serving metrics and health' : 'serving metrics');
    program.signal('SIGUSR2');
    const report = await eventually('the report is written', () => {
      try {
        const text = readFileSync(join(folder, `${name}.json`), 'utf8');
        JSON.parse(text);
        return text;
      } catch {
        return undefined;
      }
    });
    expect(report).not.toContain('canary');
    expect(await program.stop()).toBe(0);
    expect(program.output).not.toContain('canary');
  }, 60_000);
});
