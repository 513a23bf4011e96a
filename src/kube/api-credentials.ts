import type { KubeConfig } from '@kubernetes/client-node';
import { readFile } from 'node:fs/promises';
import type { OutgoingHttpHeaders } from 'node:http';
import type { Agent, RequestOptions } from 'node:https';
import { createSecureContext, rootCertificates } from 'node:tls';

import { type Clock, systemClock } from '../runtime/clock.js';
import { fileState } from '../runtime/last-good-files.js';
import { ExecCredential, type ExecRun } from './exec-credential.js';
import { KubeError } from './kube-error.js';

/** The characters of a token or of base64, all valid in a header. */
const HEADER = /^[\u0020-\u007e]+$/;
/** The problem of a token with any other character. */
export const NO_HEADER = 'a line break or another character that is not allowed in an HTTP header';

/** What a connection to the API server needs in addition to its address. */
export interface ConnectionSecrets {
  readonly headers: OutgoingHttpHeaders;
  /** `user:password` of basic authentication. */
  readonly auth?: string;
  readonly tls: TlsMaterial;
  /** The client's own agent, used only for a SOCKS proxy of the kubeconfig; who opens a connection sets up its TLS. */
  readonly socksAgent?: Agent;
  /** The exec plugin run that they come from. */
  readonly run?: ExecRun;
}

export interface TlsMaterial {
  readonly ca?: readonly (string | Buffer)[];
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  readonly servername?: string;
  readonly rejectUnauthorized?: boolean;
}

/** A credential that cannot be sent in a request. The message contains nothing of it. */
class OddCredential extends KubeError {
  constructor(
    problem: string,
    readonly run: ExecRun | undefined,
  ) {
    super(`no credentials for the API server: ${problem}`, undefined);
  }
}

/** The sources of the credentials, and the result. */
interface Read {
  readonly files: string;
  readonly roots: readonly string[];
  readonly secrets: ConnectionSecrets;
}

/**
 * Looks at the files of the current context's credentials at every call, so that rotated token, certificate and CA
 * files are used from the next request on. The Kubernetes client's own cache of token files (one minute) is bypassed.
 */
export class ApiCredentials {
  private last: Read | undefined;
  private lastToken: string | undefined;
  private lastTls: TlsMaterial | undefined;
  private lastSocks: Pick<ConnectionSecrets, 'socksAgent'> = {};
  private readonly exec: ExecCredential;
  /** The run whose client certificate can be used. */
  private checked: ExecRun | undefined;

  constructor(
    private readonly kubeConfig: KubeConfig,
    /** PEM roots in addition to those of the kubeconfig (`SSL_CERT_FILE`, `SSL_CERT_DIR`). */
    private readonly extraRoots: () => readonly string[],
    clock: Pick<Clock, 'monotonicMs'> = systemClock,
  ) {
    this.exec = new ExecCredential(kubeConfig, clock);
  }

  /** @returns whether a request that was answered with `status` may succeed with other credentials. */
  async refreshRejected({ run }: ConnectionSecrets, status = 0): Promise<boolean> {
    if (run === undefined) return false;
    if (status === 401) return await this.exec.refused(run);
    // A 5xx does not show whether the credential was checked.
    if (status < 500) this.exec.accepted(run);
    return false;
  }

  /** What {@link read} gave last, if it would give the same now. */
  unchanged(): ConnectionSecrets | undefined {
    const { last } = this;
    if (last === undefined || !areSame(last.roots, this.extraRoots())) return undefined;
    return last.files === this.filesState() ? last.secrets : undefined;
  }

  /**
   * A credential of a plugin that cannot be sent is taken for one that was refused: the plugin is run again.
   *
   * @throws KubeError when a file or a credential plugin gives nothing and never gave anything.
   */
  async read(): Promise<ConnectionSecrets> {
    const files = this.filesState();
    const roots = this.extraRoots();
    const secrets = await this.readAgain();
    this.last = files === undefined ? undefined : { files, roots, secrets };
    return secrets;
  }

  /**
   * Equal as long as the files of the current context are; undefined when one is missing, and for credentials that
   * change without a file: those of plugins and providers.
   */
  private filesState(): string | undefined {
    const { kubeConfig } = this;
    const user = kubeConfig.getCurrentUser();
    const tokenFile = tokenFileOf(kubeConfig);
    const hasProvider = user?.authProvider !== undefined && user.authProvider !== null;
    if (this.exec.isUsed || (hasProvider && tokenFile === undefined)) return undefined;
    const files = [kubeConfig.getCurrentCluster()?.caFile, user?.certFile, user?.keyFile, tokenFile];
    const states = files.filter((file) => file !== undefined).map(fileState);
    return states.includes(undefined) ? undefined : states.join(' ');
  }

  private async readAgain(): Promise<ConnectionSecrets> {
    try {
      return await this.readOnce();
    } catch (error) {
      if (!(error instanceof OddCredential)) throw error;
      if (error.run === undefined || !(await this.exec.refused(error.run))) throw error;
    }
    return await this.readOnce();
  }

  private async readOnce(): Promise<ConnectionSecrets> {
    const cluster = this.kubeConfig.getCurrentCluster();
    // Like kubectl: credentials of a kubeconfig are never sent over plain HTTP.
    if (cluster === null || /^http:/i.test(cluster.server)) return { headers: {}, tls: {} };
    let options: RequestOptions = {};
    const run = this.exec.isUsed ? this.exec.get() : undefined;
    try {
      if (run !== undefined) options = await run.options;
      else await this.kubeConfig.applyToHTTPSOptions(options);
    } catch (error) {
      return this.duringRotation(error);
    }
    const headers = { ...(options.headers as OutgoingHttpHeaders | undefined) };
    const token = await this.fileToken();
    if (token !== undefined) headers.Authorization = `Bearer ${token}`;
    this.checkHeader(headers.Authorization, run);
    this.lastTls = this.tlsOf(options);
    this.lastSocks =
      cluster.proxyUrl?.startsWith('socks') === true ? { socksAgent: options.agent as Agent } : {};
    this.checkPair(this.lastTls, run);
    return {
      headers,
      tls: this.lastTls,
      ...(run !== undefined ? { run } : {}),
      ...(typeof options.auth === 'string' ? { auth: options.auth } : {}),
      ...this.lastSocks,
    };
  }

  /** Node would refuse it with a message that does not say where the token comes from. */
  private checkHeader(authorization: OutgoingHttpHeaders[string], run: ExecRun | undefined): void {
    if (typeof authorization !== 'string' || HEADER.test(authorization)) return;
    const file = tokenFileOf(this.kubeConfig);
    const user = `the kubeconfig's user ${this.kubeConfig.getCurrentUser()?.name ?? ''}`;
    const source =
      file !== undefined
        ? `the token in the file ${file} of ${user}`
        : this.exec.isUsed
          ? `the token from the credential plugin of ${user}`
          : `the token of ${user}`;
    throw new OddCredential(`${source} contains ${NO_HEADER}: remove it`, run);
  }

  /** A client certificate of a plugin, once for each run. */
  private checkPair({ cert, key }: TlsMaterial, run: ExecRun | undefined): void {
    if (run === undefined || cert === undefined || this.checked === run) return;
    try {
      createSecureContext({ cert, ...(key === undefined ? {} : { key }) });
    } catch {
      const user = this.kubeConfig.getCurrentUser()?.name ?? '';
      const text = `the credential plugin of the kubeconfig's user ${user} returned a client certificate and key that are unreadable or do not match`;
      throw new OddCredential(text, run);
    }
    this.checked = run;
  }

  private tlsOf(options: RequestOptions): TlsMaterial {
    const extra = this.extraRoots();
    const own = options.ca as string | Buffer | undefined;
    const ca = own !== undefined ? [own, ...extra] : extra.length > 0 ? [...rootCertificates, ...extra] : [];
    return {
      ...(ca.length > 0 ? { ca } : {}),
      ...(options.cert !== undefined ? { cert: options.cert as string | Buffer } : {}),
      ...(options.key !== undefined ? { key: options.key as string | Buffer } : {}),
      ...(options.servername !== undefined ? { servername: options.servername } : {}),
      ...(options.rejectUnauthorized === false ? { rejectUnauthorized: false } : {}),
    };
  }

  /** Tolerates a file that is missing for a moment while it is rotated. */
  private duringRotation(error: unknown): ConnectionSecrets {
    const code = (error as { code?: unknown } | null)?.code;
    if (this.lastTls !== undefined && this.lastToken !== undefined && code === 'ENOENT') {
      const headers = { Authorization: `Bearer ${this.lastToken}` };
      return { headers, tls: this.lastTls, ...this.lastSocks };
    }
    const why = typeof code === 'string' ? ` (${code})` : '';
    throw new KubeError(
      `no credentials for the API server${why}: check the files and the credential plugin of the kubeconfig's current user and cluster`,
      undefined,
    );
  }

  private async fileToken(): Promise<string | undefined> {
    const file = tokenFileOf(this.kubeConfig);
    if (file === undefined) return undefined;
    try {
      const token = (await readFile(file, 'utf8')).trim();
      if (token !== '') this.lastToken = token;
    } catch {
      // The last good token is used until the file is back; without one, the check below throws.
    }
    if (this.lastToken === undefined) {
      throw new KubeError(`no credentials for the API server: cannot read the token file ${file}`, undefined);
    }
    return this.lastToken;
  }
}

/** The same array as long as nothing changed; where there are no roots, it may be a new one each time. */
function areSame(roots: readonly string[], others: readonly string[]): boolean {
  return roots === others || (roots.length === 0 && others.length === 0);
}

/** The file that holds the current user's token, if it comes from one. */
export function tokenFileOf(kubeConfig: KubeConfig): string | undefined {
  const provider: unknown = kubeConfig.getCurrentUser()?.authProvider;
  const file = (provider as { config?: { tokenFile?: unknown } } | null | undefined)?.config?.tokenFile;
  return typeof file === 'string' ? file : undefined;
}
