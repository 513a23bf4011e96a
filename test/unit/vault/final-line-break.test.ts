import { describe, expect, it } from '@jest/globals';

import { AgentFactory } from '../../../src/runtime/agents.js';
import { systemClock } from '../../../src/runtime/clock.js';
import { AUTH_METHODS, VaultAuthenticatorFactory } from '../../../src/vault/authenticator-factory.js';
import { VaultError } from '../../../src/vault/vault-error.js';
import { silentLogger } from '../../support/loggers.js';

const VERBATIM = AUTH_METHODS.flatMap(({ name: method, variables }) =>
  variables.filter(({ verbatim }) => verbatim === true).map(({ name }) => [method, name] as const),
);

/** How a login with this value ends when Vault answers so. */
async function refusal(method: string, values: Record<string, string>, status = 400): Promise<VaultError> {
  const authenticator = new VaultAuthenticatorFactory().create(
    { method, values },
    {
      client: {
        request: () =>
          status === 503
            ? Promise.reject(new VaultError('unavailable', 'Vault answered HTTP 503'))
            : Promise.resolve({ status, text: '{"errors":["invalid username or password"]}' }),
      },
      aws: {},
      agents: new AgentFactory({ sslCertDirs: [] }, silentLogger),
      clock: systemClock,
    },
  );
  expect(authenticator.locksOut).toBe(true);
  return await authenticator.login().then(
    () => {
      throw new Error('logged in');
    },
    (error: VaultError) => error,
  );
}

describe('a refused login with a value that is sent as it is', () => {
  it('exists', () => {
    expect(VERBATIM.length).toBeGreaterThanOrEqual(2);
  });

  it.each(VERBATIM)('of %s names %s and its final line break', async (method, name) => {
    for (const lineBreak of ['\n', '\r\n']) {
      const error = await refusal(method, { [name]: `5ecret${lineBreak}` });
      expect(error).toMatchObject({ failure: 'rejected', retry: 'resync', facts: { status: 400 } });
      expect(error.message).toContain(`${name} ends with a line break`);
      expect(error.message).not.toContain('5ecret');
    }
  });

  it.each(VERBATIM)('of %s does not name %s without one, nor in an outage', async (method, name) => {
    expect((await refusal(method, { [name]: '5ecret' })).message).not.toContain(name);
    expect((await refusal(method, { [name]: '5ecret\n' }, 503)).message).not.toContain(name);
  });
});
