import { Agent } from 'node:https';

import { describe, expect, it } from '@jest/globals';

import { keepConnectionOptions } from '../../../src/runtime/connection-options.js';

describe('keepConnectionOptions', () => {
  it('takes out what belongs to the request that opens a connection', () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 3 });
    const options = {
      host: 'vault',
      port: 8200,
      maxSockets: 3,
      headers: { 'x-vault-token': 'a token' },
      auth: 'user:password',
      beforeRedirects: { direct: () => 'what Axios knows of the request' },
    };
    keepConnectionOptions(agent, options);
    expect(options).toEqual({ host: 'vault', port: 8200, maxSockets: 3 });
  });

  it('keeps everything by which connections are told apart', () => {
    const agent = new Agent();
    const read = new Set<string>();
    const recorder = new Proxy(
      {},
      {
        get: (_target, name) => {
          // Node's own symbols are left alone.
          if (typeof name === 'string') read.add(name);
          return undefined;
        },
      },
    );
    agent.getName(recorder);
    expect(read.size).toBeGreaterThan(20);
    const options: object = Object.fromEntries([...read].map((name) => [name, 'set']));
    keepConnectionOptions(agent, options);
    expect(Object.keys(options).sort()).toEqual([...read].sort());
  });
});
