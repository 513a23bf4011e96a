import { beforeEach, describe, expect, it } from '@jest/globals';

import type { CredentialsInFiles, CredentialsSeen, VaultToken } from '../../../src/vault/authenticator.js';
import { VaultError } from '../../../src/vault/vault-error.js';
import { settled } from '../../support/fake-clock.js';
import { down, FakeAuthenticator, MINUTE, READ, refused, SessionFixture } from './session-fixture.js';

/** Credentials that a test writes; a login hands them out as its token. */
class FakeFiles extends FakeAuthenticator implements CredentialsInFiles {
  readonly variables = ['VAULT_TOKEN_FILE'];
  readonly inFiles = this;
  content: string | undefined = 'first';
  /** Logins end after it. */
  held: Promise<void> | undefined;
  private tried: string | undefined;
  private used: string | undefined;

  constructor(readonly givesToken: boolean) {
    super(true);
  }

  look(): CredentialsSeen {
    const { content: id, tried, used } = this;
    const problem = id === undefined ? { problem: 'VAULT_TOKEN_FILE: the file /t does not exist' } : {};
    return { id, areTried: id === tried, areInUse: id === used, ...problem };
  }

  override async login(): Promise<VaultToken> {
    const { content } = this;
    if (content === undefined) throw new VaultError('unavailable', 'VAULT_TOKEN_FILE: no file');
    this.tried = content;
    await this.held;
    const token = await super.login();
    this.used = content;
    return this.givesToken ? { ...token, token: content, ours: false } : token;
  }
}

let files: FakeFiles;
let fixture: SessionFixture;

function use(givesToken: boolean): void {
  files = new FakeFiles(givesToken);
  fixture = new SessionFixture(files);
}

const tokensOf = (operation: string): (string | undefined)[] =>
  fixture.vault.seen.filter((request) => request.operation === operation).map(({ token }) => token);

describe('a session with a token from a file', () => {
  beforeEach(() => {
    use(true);
  });

  it('uses a new token within two seconds, and gives the old one not back', async () => {
    const session = await fixture.started();
    await session.request(READ);
    await fixture.clock.advance(MINUTE);
    expect(files.logins).toBe(1);
    files.content = 'second';
    await fixture.clock.advance(2_000);
    await session.request(READ);
    expect(tokensOf('read')).toEqual(['first', 'second']);
    expect(fixture.vault.count('token_revoke')).toBe(0);
    expect(files.logins).toBe(2);
    await fixture.clock.advance(MINUTE);
    expect(files.logins).toBe(2);
  });

  it('answers a request whose token was revoked a moment ago with the new one, without a failed request', async () => {
    const session = await fixture.started();
    await session.request(READ);
    files.content = 'second';
    fixture.vault.dead.add('first');
    expect((await session.request(READ)).status).toBe(200);
    expect(tokensOf('read')).toEqual(['first', 'first', 'second']);
    expect(tokensOf('token_lookup')).toEqual([]);
    expect(session.problem()).toBeUndefined();
  });

  it('repeats a request with the new one where the change came while the request was under way', async () => {
    const session = await fixture.started();
    await session.request(READ);
    let release = (): void => undefined;
    files.held = new Promise((resolve) => (release = resolve));
    files.content = 'second';
    fixture.vault.dead.add('first');
    await fixture.clock.advance(2_000);
    expect(files.look()).toMatchObject({ areTried: true, areInUse: false });
    const answers = Promise.all([session.request(READ), session.request(READ)]);
    await settled();
    release();
    expect((await answers).map(({ status }) => status)).toEqual([200, 200]);
    expect(files.logins).toBe(2);
    expect(tokensOf('token_lookup')).toEqual([]);
  });

  it('keeps the old token while the new one is refused or cannot be checked, and tries again', async () => {
    for (const failure of [refused, down]) {
      use(true);
      const session = await fixture.started();
      files.content = 'second';
      files.failure = failure;
      await fixture.clock.advance(5 * MINUTE);
      expect(session.problem()).toBeUndefined();
      expect((await session.request(READ)).status).toBe(200);
      expect(tokensOf('read')).toEqual(['first']);
      // Refusals are slowed down as always.
      expect(files.logins).toBeGreaterThan(2);
      expect(files.logins).toBeLessThan(20);
      files.failure = undefined;
      await fixture.clock.advance(40 * MINUTE);
      await session.request(READ);
      expect(tokensOf('read').at(-1)).toBe('second');
    }
  });

  it('takes nothing that was written a moment ago, because it may be half of it', async () => {
    await fixture.started();
    await fixture.clock.advance(MINUTE);
    for (const content of ['s', 'se', 'sec', 'seco', 'secon', 'second']) {
      files.content = content;
      await fixture.clock.advance(200);
    }
    await fixture.clock.advance(2_000);
    expect(files.logins).toBe(2);
    expect(fixture.logger.entries.filter(({ level }) => level !== 'info')).toEqual([]);
  });

  it('says once that the file is gone, and goes on', async () => {
    const session = await fixture.started();
    files.content = undefined;
    await fixture.clock.advance(MINUTE);
    const warnings = fixture.logger.entries.filter(({ level }) => level === 'warn');
    expect(warnings).toEqual([
      expect.objectContaining({ facts: { problem: 'VAULT_TOKEN_FILE: the file /t does not exist' } }),
    ]);
    expect((await session.request(READ)).status).toBe(200);
  });

  it('looks at nothing after the end', async () => {
    const session = await fixture.started();
    await session.stop();
    expect(fixture.clock.waiting).toEqual([]);
    files.content = 'second';
    await fixture.clock.advance(MINUTE);
    expect(files.logins).toBe(1);
  });
});

describe('a session with a credential from a file', () => {
  beforeEach(() => {
    use(false);
  });

  it('uses a new one at the next login only', async () => {
    const session = await fixture.startedAMinuteAgo();
    files.content = 'second';
    await fixture.clock.advance(MINUTE);
    expect(files.logins).toBe(1);
    fixture.vault.dead.add('t1');
    expect((await session.request(READ)).status).toBe(200);
    expect(files.logins).toBe(2);
    expect(fixture.logger.entries.map(({ message }) => message)).toContain(
      'the credentials in files have changed',
    );
  });

  it('starts without the file, says so, and logs in when it appears', async () => {
    files.content = undefined;
    const session = await fixture.started();
    await fixture.clock.advance(10 * MINUTE);
    expect(session.problem()).toBe('not logged in to Vault: VAULT_TOKEN_FILE: no file');
    files.content = 'first';
    await fixture.clock.advance(2_000);
    expect(session.problem()).toBeUndefined();
  });

  it('ends the pause after refused logins, however long it is', async () => {
    files.failure = refused;
    const session = await fixture.started();
    await fixture.clock.advance(5 * MINUTE);
    const before = files.logins;
    expect(before).toBeLessThanOrEqual(3);
    files.failure = undefined;
    files.content = 'second';
    await fixture.clock.advance(2_000);
    await settled();
    expect(session.problem()).toBeUndefined();
    expect(files.logins).toBe(before + 1);
  });
});
