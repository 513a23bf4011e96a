import type { Agent } from 'node:http';

import { dropUse } from './connection-use.js';

/**
 * The options that identify a connection and determine how it is opened, besides those of the agent itself: the names
 * that `getName` of Node's agents reads (`lib/_http_agent.js`, `lib/https.js`), and those that Node adds.
 */
const NAMES: ReadonlySet<string> = new Set([
  ...['host', 'hostname', 'port', 'localAddress', 'family', 'socketPath', 'servername', 'timeout'],
  ...['ca', 'cert', 'key', 'pfx', 'passphrase', 'crl', 'ciphers', 'clientCertEngine', 'dhparam', 'ecdhCurve'],
  ...['minVersion', 'maxVersion', 'secureProtocol', 'secureOptions', 'honorCipherOrder', 'sessionIdContext'],
  ...[
    'sigalgs',
    'privateKeyIdentifier',
    'privateKeyEngine',
    'rejectUnauthorized',
    'session',
    'ALPNProtocols',
  ],
  ...['checkServerIdentity', 'keepAlive', 'keepAliveInitialDelay', 'encoding', '_agentKey'],
]);

/**
 * Node opens a connection with the options of the request that needs it first, and keeps them as long as the
 * connection lives: the headers with the token and, through the functions that Axios adds, even the answer. Options
 * that belong to the request alone are removed, in place, because Node's agent holds the same object.
 */
export function keepConnectionOptions(agent: Agent, options: object): void {
  dropUse(options);
  const { options: own } = agent as unknown as { readonly options: object };
  for (const name of Object.keys(options)) {
    if (!NAMES.has(name) && !Object.hasOwn(own, name)) Reflect.deleteProperty(options, name);
  }
}
