import { readFileSync } from 'node:fs';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { WEBHOOK_FLAGS } from '../../src/config/webhook-config.js';
import { ChildProgram } from '../support/child-program.js';
import { canary } from '../support/operator-fixture.js';
import { createOf, updateOf, WebhookFixture } from './webhook-fixture.js';
import { DEMO_ACCESS_KEY } from '../servers/kms/demo-key.js';

const PROGRAM = 'dist/webhook.js';
const MIB = 1024 * 1024;
const SPEC = { path: 'kv/app', kvSettings: { engineVersion: 'v1' } };
let fixture: WebhookFixture;

beforeAll(async () => {
  fixture = await WebhookFixture.prepare();
});

afterAll(async () => {
  await fixture.close();
});

describe('kms-vault-validating-webhook (built)', () => {
  it('prints help and version, and every fault of its command line', async () => {
    const help = new ChildProgram(PROGRAM, ['-h'], {});
    const version = new ChildProgram(PROGRAM, ['--version'], {});
    const wrong = new ChildProgram(PROGRAM, ['-on-kms-error', 'maybe', '--no-such-flag'], {});
    expect((await help.exited).code).toBe(0);
    for (const { name } of WEBHOOK_FLAGS) expect(help.output).toContain(name);
    expect((await version.exited).code).toBe(0);
    const { version: number } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect(version.output).toContain(number);
    expect((await wrong.exited).code).toBe(2);
    for (const name of ['tls-cert-file', 'tls-key-file', 'on-kms-error', 'no-such-flag']) {
      expect(wrong.output).toContain(name);
    }
  });

  it('reviews, opens no inspector on SIGUSR1, exposes no secret, and ends with 0 on SIGTERM', async () => {
    const secret = canary();
    const program = new ChildProgram(PROGRAM, [...fixture.flags, '--log-level=debug'], {
      AWS_REGION: fixture.kms.region,
      AWS_ENDPOINT_URL_KMS: fixture.kms.url,
      AWS_ACCESS_KEY_ID: DEMO_ACCESS_KEY.accessKeyId,
      AWS_SECRET_ACCESS_KEY: DEMO_ACCESS_KEY.secretAccessKey,
    });
    const address = await program.address('serving admission reviews');
    const metricsUrl = await program.address('serving metrics and health');
    fixture.port = Number(new URL(address).port);
    program.signal('SIGUSR1');
    const good = { key: 'good', encryptedSecret: fixture.encrypt(secret) };
    const wrong = { key: 'wrong', encryptedSecret: fixture.encrypt(secret, { a: 'b' }) };
    const binary = {
      key: 'binary',
      encryptedSecret: fixture.encrypt(Buffer.from(`${secret}\xff`, 'latin1')),
    };
    const plain = { key: 'plain', encryptedSecret: secret };
    const answers = [
      await fixture.create({ ...SPEC, secrets: [good] }),
      await fixture.create({ ...SPEC, secrets: [good, wrong, binary, plain] }),
      await fixture.create({ secrets: [good, wrong] }, 'PartialKMSVaultSecret'),
      await fixture.review(updateOf({ ...SPEC, secrets: [good] }, { ...SPEC, secrets: [good, plain] })),
      await fixture.call(`{"secret":"${secret}"}`),
      await fixture.call(`${secret}"`),
    ];
    fixture.kms.faults.inject({ matches: () => true, action: { kind: 'reset' } });
    answers.push(await fixture.review(createOf({ ...SPEC, secrets: [good] })));
    expect(answers.map((answer) => answer.allowed ?? answer.status)).toEqual([
      true,
      false,
      true,
      false,
      400,
      400,
      false,
    ]);
    expect((await fetch(`${metricsUrl}/readyz`)).status).toBe(200);
    const told = JSON.stringify(answers) + program.output + (await (await fetch(`${metricsUrl}/`)).text());
    fixture.agent.destroy();
    expect(await program.stop()).toBe(0);
    expect(program.output).not.toContain('Debugger listening');
    for (const hidden of [
      secret,
      DEMO_ACCESS_KEY.secretAccessKey,
      good.encryptedSecret,
      wrong.encryptedSecret,
    ]) {
      expect(told + program.output).not.toContain(hidden);
    }
    expect(program.lines.at(-1)?.msg).toBe('stopped');
  });

  it('keeps its memory flat under hostile bodies, and lives', async () => {
    const program = new ChildProgram(PROGRAM, fixture.flags, {
      AWS_REGION: fixture.kms.region,
      AWS_ENDPOINT_URL_KMS: fixture.kms.url,
      AWS_ACCESS_KEY_ID: DEMO_ACCESS_KEY.accessKeyId,
      AWS_SECRET_ACCESS_KEY: DEMO_ACCESS_KEY.secretAccessKey,
    });
    fixture.port = Number(new URL(await program.address('serving admission reviews')).port);
    const metricsUrl = await program.address('serving metrics and health');
    const fill = 'x'.repeat(MIB);
    const bodies = [
      '['.repeat(MIB),
      `{"a":${'['.repeat(MIB / 2)}${']'.repeat(MIB / 2)}}`,
      `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"${fill}"}}`,
      JSON.stringify({ __proto__: null, constructor: { prototype: fill } }),
      '9'.repeat(MIB),
      `{"kind":"${fill}`,
      JSON.stringify(Array.from({ length: 20_000 }, () => ({ ['__proto__']: fill.slice(0, 20) }))),
    ];
    const round = async (): Promise<number> => {
      for (let turn = 0; turn < 10; turn += 1) {
        const answers = await Promise.all(bodies.map((body) => fixture.call(body)));
        for (const { status } of answers) expect(status).toBe(400);
      }
      const text = await (await fetch(`${metricsUrl}/metrics`)).text();
      return Number(/^process_resident_memory_bytes (\S+)$/m.exec(text)?.[1]);
    };
    // What the first round takes is what such requests take; a leak would take it again with each one.
    const first = await round();
    for (let more = 0; more < 3; more += 1) await round();
    expect((await round()) - first).toBeLessThan(150 * MIB);
    expect((await fixture.create({ ...SPEC, secrets: [{ key: 'a', emptySecret: true }] })).allowed).toBe(
      true,
    );
    fixture.agent.destroy();
    expect(await program.stop()).toBe(0);
  }, 60_000);
});
