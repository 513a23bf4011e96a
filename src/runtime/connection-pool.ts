import type { Agent as HttpAgent } from 'node:http';
import type { Agent as HttpsAgent, AgentOptions } from 'node:https';

import { Connector, dropFree, KEEP_ALIVE_MS, type PoolOptions } from './connector.js';
import { PooledHttpAgent, PooledHttpsAgent } from './pooled-agents.js';

/**
 * Keep-alive connections to any number of destinations, over HTTP and HTTPS, each straight or through the
 * proxy that its host asks for.
 */
export class ConnectionPool {
  readonly http: HttpAgent;
  readonly https: HttpsAgent;

  constructor(options: PoolOptions) {
    const { maxSockets, maxFreeSockets = maxSockets, servername, rejectUnauthorized } = options;
    const shared: AgentOptions = {
      keepAlive: true,
      keepAliveMsecs: KEEP_ALIVE_MS,
      ...(maxSockets === undefined ? {} : { maxSockets }),
      ...(maxFreeSockets === undefined ? {} : { maxFreeSockets }),
    };
    this.http = new PooledHttpAgent(shared, new Connector('http:', options));
    this.https = new PooledHttpsAgent(
      {
        ...shared,
        ...(servername === undefined ? {} : { servername }),
        ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized }),
      },
      new Connector('https:', options),
    );
  }

  /** The agent for a URL. */
  for(url: { readonly protocol: string }): HttpAgent {
    return url.protocol === 'https:' ? this.https : this.http;
  }

  /** Closes the connections that carry no request. */
  dropIdle(): void {
    for (const agent of [this.http, this.https]) {
      for (const name of Object.keys(agent.freeSockets)) dropFree(agent, name);
    }
  }

  /** Requests in flight finish on their connection; it closes after them, idle ones close now. */
  retire(): void {
    this.http.maxFreeSockets = 0;
    this.https.maxFreeSockets = 0;
    this.dropIdle();
  }

  /** Closes every connection. */
  destroy(): void {
    this.http.destroy();
    this.https.destroy();
  }
}
