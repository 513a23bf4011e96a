import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { RawClient } from './raw-client.js';
import { widget, WIDGET_CRD, WIDGETS } from './sample-crd.js';
import { type LoopbackKubernetes, startKubernetesServer } from './server.js';

const missing = spawnSync('kubectl', ['version', '--client']).status !== 0;
const withKubectl = missing ? describe.skip : describe;

interface Output {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

let server: LoopbackKubernetes;
let client: RawClient;
let folder: string;

function start(args: readonly string[], input?: object): { child: ChildProcess; done: Promise<Output> } {
  // kubectl caches discovery by host: without a separate folder, runs would share it.
  const own = ['--kubeconfig', join(folder, 'kubeconfig'), '--cache-dir', join(folder, 'cache')];
  const child = spawn('kubectl', [...own, ...args], { stdio: 'pipe' });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString('utf8')));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString('utf8')));
  child.stdin.end(input === undefined ? '' : JSON.stringify(input));
  const done = new Promise<Output>((resolve) => {
    child.on('close', (code) => {
      resolve({ code, stdout, stderr });
    });
  });
  return { child, done };
}

/** Runs kubectl to its end. */
async function kubectl(args: string, input?: object): Promise<Output> {
  return await start(args.split(' '), input).done;
}

withKubectl('kubectl', () => {
  beforeAll(async () => {
    server = await startKubernetesServer({ pathPrefix: '/clusters/root:e2e' });
    client = new RawClient(server);
    folder = mkdtempSync(join(tmpdir(), 'loopback-kubectl-'));
    writeFileSync(join(folder, 'kubeconfig'), server.adminKubeconfig());
    expect(await kubectl('apply -f -', WIDGET_CRD)).toMatchObject({ code: 0, stderr: '' });
    const waited = await kubectl(
      'wait --for=condition=Established crd/widgets.test.loopback.dev --timeout=10s',
    );
    expect(waited).toMatchObject({ code: 0 });
  });
  afterAll(async () => {
    client.close();
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('applies, changes and applies again without a change', async () => {
    expect((await kubectl('apply -f -', widget('app', { size: 'small' }))).stdout).toContain(
      'widget.test.loopback.dev/app created',
    );
    expect((await kubectl('apply -f -', widget('app', { size: 'large' }))).stdout).toContain('configured');
    expect((await kubectl('apply -f -', widget('app', { size: 'large' }))).stdout).toContain('unchanged');
    expect(server.peek('Widget', 'default', 'app')?.['spec']).toEqual({ size: 'large' });
  });

  it('reports unknown fields and invalid values', async () => {
    const unknown = await kubectl('apply -f -', widget('odd', { size: 'small', foo: 1 }));
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toContain('unknown field "spec.foo"');
    const bad = await kubectl('apply -f -', widget('odd', { size: 'huge' }));
    expect(bad.stderr).toContain('spec.size: Unsupported value: "huge": supported values: "small", "large"');
  });

  it('shows columns, more with -o wide, and explains fields', async () => {
    await client.post(WIDGETS, widget('columns', { size: 'small', count: 7 }));
    expect((await kubectl('get wd columns')).stdout).toMatch(
      /^NAME +SIZE +READY +AGE\ncolumns +small +\d+s\n$/,
    );
    expect((await kubectl('get wd columns -o wide')).stdout).toMatch(/COUNT[^\n]*\n.* 7 /);
    expect((await kubectl('explain wd.spec')).stdout).toContain('How big it is.');
  });

  it('describes an object with its events', async () => {
    const { body } = await client.post(WIDGETS, widget('described'));
    await client.post('/api/v1/namespaces/default/events', {
      metadata: { name: 'described.1' },
      involvedObject: {
        kind: 'Widget',
        namespace: 'default',
        name: 'described',
        uid: body['metadata']?.['uid'],
      },
      type: 'Normal',
      reason: 'Tested',
      message: 'It was tested',
      source: { component: 'tester' },
      firstTimestamp: new Date().toISOString(),
      lastTimestamp: new Date().toISOString(),
      count: 1,
    });
    expect((await kubectl('describe wd described')).stdout).toMatch(
      /Normal +Tested .* tester +It was tested/,
    );
  });

  it('get --watch and wait see changes', async () => {
    await client.post(WIDGETS, widget('waited'));
    const watching = start(['get', 'wd', 'waited', '-w']);
    const waiting = kubectl('wait --for=condition=Ready wd/waited --timeout=20s');
    let seen = '';
    watching.child.stdout?.on('data', (chunk: Buffer) => (seen += chunk.toString('utf8')));
    const deadline = Date.now() + 15_000;
    const until = async (condition: () => boolean): Promise<void> => {
      while (!condition() && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
    };
    await until(() => server.openWatches >= 2);
    await client.patch(`${WIDGETS}/waited/status`, {
      status: { conditions: [{ type: 'Ready', status: 'True' }] },
    });
    expect((await waiting).stdout).toContain('condition met');
    await until(() => seen.includes('True'));
    watching.child.kill();
    await watching.done;
    expect(seen).toMatch(/waited +small +True/);
  });

  it('patches objects, and deletes those with finalizers once the finalizers are removed', async () => {
    await client.post(WIDGETS, widget('finalized', { size: 'small' }, { finalizers: ['a.dev/x'] }));
    const patch = JSON.stringify({ spec: { size: 'large' } });
    expect((await start(['patch', 'wd', 'finalized', '--type', 'merge', '-p', patch]).done).stdout).toContain(
      'patched',
    );
    const deleting = kubectl('delete wd finalized --timeout=20s');
    const deadline = Date.now() + 15_000;
    while (server.peek('Widget', 'default', 'finalized')?.metadata.deletionTimestamp === undefined) {
      if (Date.now() > deadline) throw new Error('the object was not marked as being deleted');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await client.patch(`${WIDGETS}/finalized`, { metadata: { finalizers: null } });
    expect(await deleting).toMatchObject({
      code: 0,
      stdout: 'widget.test.loopback.dev "finalized" deleted\n',
    });
  });

  it('applies a deployment twice, with a strategic merge patch', async () => {
    const deployment = (image: string): object => ({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web' },
      spec: {
        selector: { matchLabels: { app: 'web' } },
        template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'web', image }] } },
      },
    });
    expect((await kubectl('apply -f -', deployment('one'))).stdout).toContain('created');
    expect((await kubectl('apply -f -', deployment('two'))).stdout).toContain('configured');
    const strategic = server.requests.count(
      (seen) => seen.headers['content-type'] === 'application/strategic-merge-patch+json',
    );
    expect(strategic).toBe(1);
    expect(server.peek('Deployment', 'default', 'web')?.['spec']).toMatchObject({
      template: { spec: { containers: [{ name: 'web', image: 'two' }] } },
    });
  });
});
