import { beforeEach, describe, expect, it } from '@jest/globals';

import { DELETE_FINALIZER, PARTIAL_KIND, SECRET_KIND } from '../../../src/api/group.js';
import { VaultError } from '../../../src/vault/vault-error.js';
import { ReconcileFixture } from '../../support/reconcile-fixture.js';
import { item } from './items.js';

let fixture: ReconcileFixture;

beforeEach(() => {
  fixture = new ReconcileFixture();
});

const A = 'secret/data/a';
const theirs = new Map([['theirs', '"precious"']]);
const put = (path: string): void => {
  fixture.secret('x', { path, secrets: [item('a', 'one')] }, { finalizers: [DELETE_FINALIZER] });
};
const remove = async (): Promise<void> => {
  fixture.delete(SECRET_KIND, 'x');
  await fixture.reconcile('x', 'edit');
  expect(fixture.find(SECRET_KIND, 'x')).toBeUndefined();
};

describe('an edit after a first write whose status patch failed', () => {
  const begin = async (path: string): Promise<void> => {
    const engineVersion = path === A ? 'v2' : 'v1';
    const spec = { path, kvSettings: { engineVersion } as const };
    fixture.secret('x', { ...spec, secrets: [item('a', 'one')] }, { finalizers: [DELETE_FINALIZER] });
    fixture.vault.onChange = (): void => {
      fixture.apiDown = true;
    };
    await fixture.reconcile('x');
    fixture.apiDown = false;
    fixture.vault.onChange = (): void => undefined;
    fixture.secret('x', { ...spec, secrets: [item('a', 'two')] });
  };

  describe.each([A, 'kv/a'])('at %s', (path) => {
    const engine = path === A ? 'v2' : 'v1';

    it('is deleted by the process that wrote', async () => {
      await begin(path);
      await remove();
      expect(fixture.values(path, engine)).toBeUndefined();
    });

    it('is deleted by another process that has synced the edit', async () => {
      await begin(path);
      fixture.restart();
      await fixture.reconcile('x', 'edit');
      await remove();
      expect(fixture.values(path, engine)).toBeUndefined();
    });

    it('stays where no process has seen the edit before the deletion: nothing shows whose value it is', async () => {
      await begin(path);
      fixture.restart();
      await remove();
      expect(fixture.values(path, engine)).toEqual({ a: 'one' });
      expect(fixture.messages('SecretKept').join('\n')).toContain(
        path === A ? 'vault kv metadata delete secret/a' : 'vault delete kv/a',
      );
    });
  });
});

describe('the removal of a v2 secret', () => {
  it('goes on where the history does, whoever wrote last', async () => {
    put(A);
    await fixture.reconcile('x');
    fixture.vault.tamper(A, 'v2', theirs);
    await remove();
    expect(fixture.values(A)).toBeUndefined();
  });

  it.each([1, 2, 11])('spares a secret that was created anew since, at version %s', async (versions) => {
    put(A);
    await fixture.reconcile('x');
    fixture.vault.lose(A, 'everything');
    for (let version = 0; version < versions; version += 1) fixture.vault.tamper(A, 'v2', theirs);
    await remove();
    expect(fixture.values(A)).toEqual({ theirs: 'precious' });
    expect(fixture.messages('SecretKept').join('\n')).toContain('vault kv metadata delete secret/a');
  });

  it.each([
    { last: theirs, stays: { theirs: 'precious' } },
    { last: new Map([['a', '"one"']]), stays: undefined },
  ])('where Vault has dropped our version, needs our content: $stays stays', async ({ last, stays }) => {
    put(A);
    await fixture.reconcile('x');
    for (let version = 0; version < 10; version += 1) fixture.vault.tamper(A, 'v2', theirs);
    fixture.vault.tamper(A, 'v2', last);
    await remove();
    expect(fixture.values(A)).toEqual(stays);
  });
});

describe('a resource without values', () => {
  it.each([1, 2, 3])(
    'does not own the empty version of others that it finds, at its sync %d',
    async (syncs) => {
      fixture.vault.tamper(A, 'v2', theirs);
      fixture.vault.tamper(A, 'v2', new Map());
      fixture.secret('x', { path: A, secrets: [] }, { finalizers: [DELETE_FINALIZER] });
      for (let sync = 0; sync < syncs; sync += 1) await fixture.reconcile('x');
      expect(fixture.ready('x')?.reason).toBe('Synced');
      await remove();
      expect(fixture.values(A)).toEqual({});
      expect(fixture.messages('SecretKept').join('\n')).toContain('no record that this resource wrote');
    },
  );
});

const PATHS = { v1: 'kv/a', v2: A } as const;
const putOn = (engineVersion: 'v1' | 'v2', spec: object = {}): void => {
  const whole = { path: PATHS[engineVersion], kvSettings: { engineVersion }, secrets: [item('a', 'one')] };
  fixture.secret('x', { ...whole, ...spec }, { finalizers: [DELETE_FINALIZER] });
};
const lost = (): VaultError =>
  new VaultError('unavailable', 'no answer', { operation: 'delete', maybeDone: true });

describe.each(['v1', 'v2'] as const)('a removal on %s whose answer was lost', (engine) => {
  const path = PATHS[engine];
  const loseAnswer = async (): Promise<void> => {
    putOn(engine);
    await fixture.reconcile('x');
    fixture.vault.onChange = (): void => {
      throw lost();
    };
    fixture.delete(SECRET_KIND, 'x');
    await fixture.reconcile('x', 'edit');
    fixture.vault.onChange = (): void => undefined;
    expect(fixture.find(SECRET_KIND, 'x')).toBeDefined();
    expect(fixture.messages('DeletionFailed').join('\n')).toContain(`${path} may still be in Vault`);
  };

  it.each(['this process', 'another process'])(
    'spares what somebody else has put there when %s goes on',
    async (who) => {
      await loseAnswer();
      expect(fixture.values(path, engine)).toBeUndefined();
      fixture.vault.tamper(path, engine, theirs);
      if (who === 'another process') fixture.restart();
      await remove();
      expect(fixture.values(path, engine)).toEqual({ theirs: 'precious' });
      expect(fixture.messages('SecretKept').join('\n')).not.toContain('Nothing was deleted');
    },
  );

  it('is not repeated without read permission, because somebody else may have written since', async () => {
    await loseAnswer();
    fixture.vault.tamper(path, engine, theirs);
    fixture.vault.writeOnly.add(path);
    await remove();
    expect(fixture.values(path, engine)).toEqual({ theirs: 'precious' });
    expect(fixture.messages('SecretKept').join('\n')).toContain('has no read permission to compare it');
  });

  it('is repeated where the value is still ours', async () => {
    await loseAnswer();
    fixture.vault.tamper(path, engine, new Map([['a', '"one"']]));
    await remove();
    expect(fixture.values(path, engine)).toBeUndefined();
  });
});

describe.each(['v1', 'v2'] as const)('a removal on %s that surely had no effect', (engine) => {
  const path = PATHS[engine];
  const refusals = [
    new VaultError('forbidden', 'may not delete', { status: 403, operation: 'delete' }),
    new VaultError('unavailable', 'sealed', { status: 503, operation: 'delete', maybeDone: false }),
  ];
  const refuse = async (error: VaultError): Promise<void> => {
    const open = fixture.vault.open.bind(fixture.vault);
    fixture.vault.open = async (...parameters) => ({
      ...(await open(...parameters)),
      remove: (options) => {
        options?.guard?.();
        return Promise.reject(error);
      },
    });
    await fixture.reconcile('x', 'edit');
    fixture.vault.open = open;
    expect(fixture.ready('x')?.reason).toBe('Deleting');
  };

  it.each(refusals)('is repeated after a restart, whoever wrote last: $message', async (error) => {
    putOn(engine);
    await fixture.reconcile('x');
    fixture.vault.tamper(path, engine, new Map([...theirs, ['a', '"one"']]));
    fixture.delete(SECRET_KIND, 'x');
    await refuse(error);
    fixture.restart();
    await remove();
    expect(fixture.values(path, engine)).toBeUndefined();
  });

  it.each(refusals)('is repeated after a restart, without read permission: $message', async (error) => {
    putOn(engine);
    await fixture.reconcile('x');
    fixture.vault.writeOnly.add(path);
    fixture.delete(SECRET_KIND, 'x');
    await refuse(error);
    expect(fixture.cache.secret('default', 'x')?.status?.claim).toBeUndefined();
    fixture.restart();
    await remove();
    expect(fixture.values(path, engine)).toBeUndefined();
  });

  it.each(refusals)('is repeated after a restart, though its partial is gone: $message', async (error) => {
    fixture.partial('p', { secrets: [item('a', 'one')] });
    putOn(engine, { secrets: [], includeSecrets: ['p'] });
    await fixture.reconcile('x');
    fixture.delete(SECRET_KIND, 'x');
    fixture.delete(PARTIAL_KIND, 'p');
    await refuse(error);
    fixture.restart();
    await remove();
    expect(fixture.values(path, engine)).toBeUndefined();
  });

  it('leaves the claim of a path that was just taken as it was', async () => {
    const older = `${path}-older`;
    putOn(engine, { path: older });
    await fixture.reconcile('x');
    putOn(engine);
    fixture.vault.onChange = (): void => {
      fixture.apiDown = true;
    };
    await fixture.reconcile('x', 'edit');
    fixture.apiDown = false;
    fixture.vault.onChange = (): void => undefined;
    fixture.restart();
    const claim = fixture.cache.secret('default', 'x')?.status?.claim;
    expect(claim).toMatchObject({ path, held: 'nothing' });
    fixture.delete(SECRET_KIND, 'x');
    await refuse(new VaultError('forbidden', 'may not delete', { status: 403, operation: 'delete' }));
    expect(fixture.cache.secret('default', 'x')?.status?.claim).toEqual(claim);
    fixture.restart();
    await remove();
    expect(fixture.values(path, engine)).toBeUndefined();
    expect(fixture.values(older, engine)).toEqual({ a: 'one' });
  });
});
