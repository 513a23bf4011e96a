import { randomBytes } from 'node:crypto';

import { type CertificatePair, TestAuthority } from '../shared/certificates.js';
import type { Faults } from '../shared/faults.js';
import { LoopbackServer } from '../shared/loopback-server.js';
import type { RequestLog } from '../shared/request-log.js';
import { type Admission, admitEverything } from './admission.js';
import { Authenticator } from './authentication.js';
import { Authorizer } from './authorization.js';
import { bootstrap } from './bootstrap.js';
import { DeletionController } from './deletion.js';
import { Discovery } from './discovery.js';
import { Endpoints } from './endpoints.js';
import { KindRegistry } from './kind-registry.js';
import { kubeconfig } from './kubeconfig.js';
import type { KubeObject } from './objects.js';
import { ObjectWriter } from './object-writer.js';
import { OpenApiDocuments } from './openapi-documents.js';
import { Reviews } from './reviews.js';
import { Router } from './router.js';
import { type Change, Storage } from './storage.js';
import { SystemPaths } from './system-paths.js';
import { ServiceAccountTokens } from './tokens.js';
import { Watches } from './watch.js';

export interface KubernetesOptions {
  /** Serve the API below this path, as kcp does: `/clusters/root:e2e`. */
  readonly pathPrefix?: string;
  /** 0, the default, takes a free one. */
  readonly port?: number;
  /** The version at `/version`; some kubectl wrappers choose their binary by it. */
  readonly gitVersion?: string;
  /** Time between two watch bookmarks; a minute, as on a real server, when absent. */
  readonly bookmarkIntervalMs?: number;
  /** The number of past changes that a watch can start from. */
  readonly historyLimit?: number;
  /** Issuer and default audience of service-account tokens. */
  readonly issuer?: string;
  /** The clock of token lifetimes: milliseconds since the epoch. */
  readonly now?: () => number;
  /** Creates the admission for every write; absent: every write is admitted. */
  readonly admission?: (storage: Storage) => Admission;
}

/** Starts a Kubernetes API server on loopback, always over TLS. */
export async function startKubernetesServer(options: KubernetesOptions = {}): Promise<LoopbackKubernetes> {
  const servingAuthority = await TestAuthority.create('loopback kubernetes');
  const clientAuthority = await TestAuthority.create('loopback kubernetes clients');
  const admin = await clientAuthority.issue({
    commonName: 'kubernetes-admin',
    organization: 'system:masters',
  });
  const storage = new Storage(
    options.historyLimit === undefined ? {} : { historyLimit: options.historyLimit },
  );
  bootstrap(storage);
  const kinds = new KindRegistry(storage);
  const tokens = new ServiceAccountTokens(options.issuer, options.now);
  const adminToken = randomBytes(16).toString('hex');
  const authenticator = new Authenticator({ storage, tokens, adminToken });
  const authorizer = new Authorizer(storage);
  const reviews = new Reviews({ storage, tokens, authenticator, authorizer });
  const watches = new Watches({ storage, bookmarkIntervalMs: options.bookmarkIntervalMs ?? 60_000 });
  new DeletionController(storage, kinds);
  const pathPrefix = (options.pathPrefix ?? '').replace(/\/+$/, '');
  // The documents contain the server's address, which is known once it listens.
  let address = '';
  const router = new Router({
    pathPrefix,
    kinds,
    authenticator,
    authorizer,
    reviews,
    endpoints: new Endpoints({
      storage,
      writer: new ObjectWriter(storage, options.admission?.(storage) ?? admitEverything),
      watches,
      reviews,
    }),
    systemPaths: new SystemPaths({
      discovery: new Discovery(kinds),
      openApi: new OpenApiDocuments(kinds),
      gitVersion: options.gitVersion ?? 'v1.32.4',
      address: () => address,
    }),
  });
  const server = await LoopbackServer.start(
    async (seen, request, response) => {
      await router.serve(seen, request, response);
    },
    {
      tls: {
        ...(await servingAuthority.issue()),
        ca: clientAuthority.cert,
        requestCert: true,
        rejectUnauthorized: false,
      },
      ...(options.port === undefined ? {} : { port: options.port }),
    },
  );
  address = `${server.url}${pathPrefix}`;
  return new LoopbackKubernetes({
    server,
    storage,
    kinds,
    watches,
    servingAuthority,
    clientAuthority,
    admin,
    adminToken,
    pathPrefix,
  });
}

interface Parts {
  readonly server: LoopbackServer;
  readonly storage: Storage;
  readonly kinds: KindRegistry;
  readonly watches: Watches;
  readonly servingAuthority: TestAuthority;
  readonly clientAuthority: TestAuthority;
  readonly admin: CertificatePair;
  readonly adminToken: string;
  readonly pathPrefix: string;
}

/** A running server, its credentials and its fault injection. */
export class LoopbackKubernetes {
  private servingAuthority: TestAuthority;
  private readonly port: number;

  constructor(private readonly parts: Parts) {
    this.servingAuthority = parts.servingAuthority;
    this.port = parts.server.port;
  }

  /** With the path prefix, as a kubeconfig names it. */
  get url(): string {
    return `https://127.0.0.1:${String(this.port)}${this.parts.pathPrefix}`;
  }

  /** PEM of the authority that issued the current serving certificate. */
  get caCert(): string {
    return this.servingAuthority.cert;
  }

  /** A bearer token of `system:masters`. */
  get adminToken(): string {
    return this.parts.adminToken;
  }

  get requests(): RequestLog {
    return this.parts.server.requests;
  }

  get faults(): Faults {
    return this.parts.server.faults;
  }

  /** The latest resourceVersion of all. */
  get revision(): number {
    return this.parts.storage.revision;
  }

  /** How many watches are open. */
  get openWatches(): number {
    return this.parts.watches.count;
  }

  /** A kubeconfig with a client certificate of `system:masters`. */
  adminKubeconfig(): string {
    return kubeconfig({ server: this.url, caCert: this.caCert, user: this.parts.admin });
  }

  /** A client certificate of this cluster: `CN=` the user, `O=` the group. */
  async clientCertificate(user: string, group?: string): Promise<CertificatePair> {
    return await this.parts.clientAuthority.issue({
      commonName: user,
      ...(group === undefined ? {} : { organization: group }),
    });
  }

  /** A stored object by kind (or plural, or `plural.group`); for cluster-scoped kinds the namespace is `''`. */
  peek(kind: string, namespace: string, name: string): KubeObject | undefined {
    return this.parts.storage.get(this.placeOf(kind), namespace, name);
  }

  /** Everything that is stored of a kind, in one namespace or in all. */
  peekAll(kind: string, namespace = ''): KubeObject[] {
    return this.parts.storage.list(this.placeOf(kind), namespace);
  }

  /** Calls back after every write of any kind, at once. @returns a function that ends it. */
  onChange(listener: (change: Change) => void): () => void {
    return this.parts.storage.subscribe('*', listener);
  }

  /** Drops the watch history: older resourceVersions and continue tokens are answered with 410. */
  compact(): void {
    this.parts.storage.compact();
  }

  /** Holds the events of all open and new watches. @returns a function that releases them. */
  silenceWatches(): () => void {
    return this.parts.watches.silence();
  }

  /** Makes the open watches half-open, as when packets are dropped. */
  halfOpenWatches(): void {
    this.parts.watches.halfOpen();
  }

  /** Closes the connections of the open watches. */
  cutWatches(): void {
    this.parts.watches.cut();
  }

  /** Stops listening and closes every connection; keeps the stored objects. */
  async stop(): Promise<void> {
    await this.parts.server.close();
  }

  /** Listens again on the same port, with the stored objects. */
  async restart(): Promise<void> {
    await this.parts.server.listen(this.port);
  }

  private placeOf(kind: string): string {
    const found = this.parts.kinds.byName(kind);
    if (found === undefined) throw new Error(`no such kind is served: ${kind}`);
    return found.place;
  }
}
