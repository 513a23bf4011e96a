import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { ForgetfulProxy } from '../support/forgetful-proxy.js';
import { eventually } from '../support/wait.js';
import { closing } from '../support/closing.js';
import { useConnections } from './connection-fixture.js';
import { iamLogin, stsServer, useWebIdentity } from './sts-fixture.js';

useConnections();

describe('a connection to STS that the network has forgotten', () => {
  useWebIdentity(beforeEach, afterEach);

  it.each(['reset', 'silence'] as const)(
    'costs one attempt in vain, and new credentials come over another: %s',
    async (how) => {
      // The SDK's own attempts, with their pauses, must not be needed.
      process.env.AWS_MAX_ATTEMPTS = '1';
      const sts = await stsServer();
      const nat = closing(await ForgetfulProxy.start(sts.port));
      process.env.AWS_ENDPOINT_URL_STS = `http://127.0.0.1:${String(nat.port)}`;
      const login = iamLogin();
      await login();
      expect(sts.requests.all).toHaveLength(1);
      expect(nat.openConnections).toBe(1);
      nat.forget(how);
      await login();
      await eventually('new credentials', () => sts.requests.all.length === 2);
      expect({ triedInVain: nat.triedInVain, connections: nat.connections }).toEqual({
        triedInVain: 1,
        connections: 2,
      });
    },
    30_000,
  );
});
