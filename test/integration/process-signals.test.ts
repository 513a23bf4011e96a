import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { kubeconfig } from '../servers/kubernetes/kubeconfig.js';
import { AUTH_METHODS } from '../../src/vault/authenticator-factory.js';
import { LoopbackServer } from '../servers/shared/loopback-server.js';
import { ChildProgram } from '../support/child-program.js';
import { eventually } from '../support/wait.js';
import { WebhookFixture } from './webhook-fixture.js';

const onLinux = process.platform === 'linux' ? it : it.skip;
const canUnshare = spawnSync('unshare', ['--pid', '--fork', 'true']).status === 0;
let fixture: WebhookFixture;
let folder: string;
let api: LoopbackServer;

beforeAll(async () => {
  fixture = await WebhookFixture.prepare();
  folder = mkdtempSync(join(tmpdir(), 'signals-'));
  const nowhere = { server: 'http://127.0.0.1:1', caCert: fixture.authority.cert, user: { token: 't' } };
  writeFileSync(join(folder, 'kubeconfig'), kubeconfig(nowhere));
  api = await LoopbackServer.start((_seen, _request, response) => {
    response.writeHead(503).end();
  });
  writeFileSync(join(folder, 'kubeconfig-loopback'), kubeconfig({ ...nowhere, server: api.url }));
});

afterAll(async () => {
  await fixture.close();
  await api.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Program {
  readonly script: string;
  readonly flags: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/**
 * A built entry file that loads a pipe instead of the program: the test sees exactly when Node starts to read the
 * program, and can hold it there.
 */
class ProgramBeingRead {
  readonly entry: string;
  private readonly pipe: string;
  private readonly program: Buffer;

  constructor(script: string) {
    const copy = mkdtempSync(join(folder, 'entry-'));
    const source = readFileSync(script, 'utf8');
    const [, loaded = ''] = /import\("\.\/([^"]+)"\)/.exec(source) ?? [];
    this.entry = join(copy, 'entry.js');
    this.pipe = join(copy, loaded);
    this.program = readFileSync(join('dist', loaded));
    writeFileSync(join(copy, 'package.json'), '{"type":"module"}');
    writeFileSync(this.entry, source);
    expect(spawnSync('mkfifo', [this.pipe]).status).toBe(0);
  }

  /** Waits for the first read, does what is given and lets the reading go on. */
  async begun(then: () => void): Promise<void> {
    const file = await open(this.pipe, 'w');
    then();
    // A process that ended closes the pipe.
    await file.writeFile(this.program).catch(() => undefined);
    await file.close();
  }
}

/** @param apiServer instead of one that nobody listens at. */
function programOf(name: string, apiServer?: string): Program {
  if (name === 'webhook')
    return { script: 'dist/webhook.js', flags: fixture.flags, env: { AWS_REGION: 'eu-west-1' } };
  const flags = [
    '--metrics-addr=127.0.0.1:0',
    '--health-addr=127.0.0.1:0',
    `--kubeconfig=${join(folder, apiServer === undefined ? 'kubeconfig' : 'kubeconfig-loopback')}`,
  ];
  const env = { AWS_REGION: 'eu-west-1', VAULT_ADDR: 'http://127.0.0.1:1', VAULT_TOKEN: 'x' };
  return { script: 'dist/main.js', flags, env };
}

describe.each(['operator', 'webhook'])('the %s, told to end', (name) => {
  it('takes the signal in a file that is read before the program is', () => {
    const source = readFileSync(programOf(name).script, 'utf8');
    expect(source.length).toBeLessThan(2_000);
    expect(source).not.toMatch(/^import[^(]*from/m);
    expect(source.indexOf('process.on("SIGTERM",')).toBeGreaterThan(0);
    expect(source.indexOf('process.on("SIGTERM",')).toBeLessThan(source.indexOf('import('));
  });

  onLinux(
    'exits with 0 and has sent no request when SIGTERM comes while the program is being loaded',
    async () => {
      const { script, flags, env } = programOf(name, api.url);
      const reading = new ProgramBeingRead(script);
      const program = new ChildProgram(reading.entry, flags, { ...env, VAULT_ADDR: api.url });
      await reading.begun(() => {
        program.signal('SIGTERM');
      });
      expect(await program.exited).toEqual({ code: 0, signal: null });
      expect(api.requests.all).toEqual([]);
      // Node may warn of a module of its own while it reads.
      expect(program.output).not.toContain('starting');
    },
  );

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
      const { script, flags, env } = programOf(name, api.url);
      const reading = new ProgramBeingRead(script);
      const outer = spawn('unshare', ['--pid', '--fork', process.execPath, reading.entry, ...flags], {
        env: { PATH: process.env.PATH ?? '', ...env, VAULT_ADDR: api.url },
        stdio: ['ignore', 'inherit', 'inherit'],
      });
      const ended = new Promise<number | null>((resolve) => outer.on('close', resolve));
      const pid = String(outer.pid);
      await reading.begun(() => {
        process.kill(Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')), 'SIGTERM');
      });
      expect(await ended).toBe(0);
      expect(api.requests.all).toEqual([]);
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
      AWS_CONTAINER_AUTHORIZATION_TOKEN: 'canary8',
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
