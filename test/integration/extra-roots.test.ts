import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, it } from '@jest/globals';

import { DEMO_ACCESS_KEY } from '../servers/kms/demo-key.js';
import { startKmsServer } from '../servers/kms/server.js';
import { TestAuthority } from '../servers/shared/certificates.js';
import { ChildProgram } from '../support/child-program.js';
import { WebhookFixture } from './webhook-fixture.js';

it('trusts a KMS whose authority only NODE_EXTRA_CA_CERTS names', async () => {
  const authority = await TestAuthority.create();
  const kms = await startKmsServer({ tls: await authority.issue() });
  const fixture = await WebhookFixture.prepare();
  const directory = mkdtempSync(join(tmpdir(), 'extra-roots-'));
  const file = join(directory, 'ca.pem');
  writeFileSync(file, authority.cert);
  const program = new ChildProgram('dist/webhook.js', fixture.flags, {
    AWS_REGION: kms.region,
    AWS_ENDPOINT_URL_KMS: kms.url,
    AWS_ACCESS_KEY_ID: DEMO_ACCESS_KEY.accessKeyId,
    AWS_SECRET_ACCESS_KEY: DEMO_ACCESS_KEY.secretAccessKey,
    NODE_EXTRA_CA_CERTS: file,
  });
  try {
    fixture.port = Number(new URL(await program.address('serving admission reviews')).port);
    const secrets = [{ key: 'a', encryptedSecret: fixture.encrypt('value') }];
    const answer = await fixture.create({ path: 'kv/app', kvSettings: { engineVersion: 'v1' }, secrets });
    expect(answer.allowed).toBe(true);
    expect(kms.decrypts).toBe(1);
  } finally {
    fixture.agent.destroy();
    await program.stop();
    await fixture.close();
    await kms.close();
    rmSync(directory, { recursive: true });
  }
});
