import { KubeConfig } from '@kubernetes/client-node';
import type { RequestOptions } from 'node:https';

import type { Clock } from '../runtime/clock.js';

/** A credential is used at least this long: a plugin that names no expiry would be run for each request. */
const REUSE_MS = 10_000;
/** The pause between two runs after refusals; doubled as long as credentials are refused. */
const MIN_PAUSE_MS = 10_000;
const MAX_PAUSE_MS = 5 * 60_000;
/**
 * This many credentials that were accepted first may be replaced without a pause within the longest pause. More
 * mean that servers disagree, not that credentials were revoked.
 */
const MAX_PROMPT_RUNS = 5;

/** A credential from one plugin run, or from the client's cache; handed back with the API server's answer. */
export interface ExecRun {
  readonly startedMs: number;
  readonly options: Promise<RequestOptions>;
  /** The object in which the client caches the credential. */
  readonly config: KubeConfig;
}

/**
 * Runs the exec plugin of a kubeconfig's user, once for all concurrent callers. The client caches the credential
 * until its expiry. If the API server refuses it earlier, the plugin is run again, as client-go does
 * (`maybeRefreshCreds` in plugin/pkg/client/auth/exec).
 */
export class ExecCredential {
  private current: KubeConfig;
  private run: ExecRun | undefined;
  private refreshedMs: number | undefined;
  private pauseMs = MIN_PAUSE_MS;
  /** When previously accepted credentials were replaced without a pause. */
  private promptRunsMs: number[] = [];

  constructor(
    private readonly kubeConfig: KubeConfig,
    private readonly clock: Pick<Clock, 'monotonicMs'>,
  ) {
    this.current = kubeConfig;
  }

  /** Whether the current user has a plugin. */
  get isUsed(): boolean {
    const user = this.kubeConfig.getCurrentUser();
    return user?.exec !== undefined && user.exec !== null;
  }

  get(): ExecRun {
    const nowMs = this.clock.monotonicMs();
    if (this.run !== undefined && nowMs - this.run.startedMs < REUSE_MS) return this.run;
    const config = this.current;
    const run: ExecRun = { startedMs: nowMs, options: applied(config), config };
    this.run = run;
    run.options.catch(() => {
      if (this.run === run) this.run = undefined;
    });
    return run;
  }

  /**
   * The API server answered 401 for a credential. The request may have been in flight for long: what counts is
   * whether another credential has replaced the refused one since, not how often the plugin ran.
   *
   * @returns whether there is another credential to try.
   */
  async refused(run: ExecRun): Promise<boolean> {
    if (run.config !== this.current) return true;
    const latest = this.run;
    if (latest !== undefined && latest !== run) {
      const [given, refused] = await Promise.all([credentialOf(latest), credentialOf(run)]);
      if (given !== undefined && given !== refused) return true;
      // Another request may have been refused meanwhile.
      if (run.config !== this.current) return true;
    }
    const nowMs = this.clock.monotonicMs();
    if (this.refreshedMs !== undefined) {
      if (nowMs - this.refreshedMs < this.pauseMs) return false;
      this.pauseMs = Math.min(MAX_PAUSE_MS, this.pauseMs * 2);
    }
    this.refreshedMs = nowMs;
    this.run = undefined;
    this.current = copyOf(this.kubeConfig);
    return true;
  }

  /** The API server accepted a credential: a later refusal means that it was revoked. */
  accepted(run: ExecRun): void {
    if (run.config !== this.current) return;
    this.pauseMs = MIN_PAUSE_MS;
    if (this.refreshedMs === undefined) return;
    const nowMs = this.clock.monotonicMs();
    this.promptRunsMs = this.promptRunsMs.filter((ms) => nowMs - ms < MAX_PAUSE_MS);
    if (this.promptRunsMs.length >= MAX_PROMPT_RUNS) return;
    this.promptRunsMs.push(this.refreshedMs);
    this.refreshedMs = undefined;
  }
}

async function applied(config: KubeConfig): Promise<RequestOptions> {
  const options: RequestOptions = {};
  await config.applyToHTTPSOptions(options);
  return options;
}

/** The identity of a credential; undefined when the plugin gave none. */
async function credentialOf(run: ExecRun): Promise<string | undefined> {
  try {
    const { headers, cert, key } = await run.options;
    return JSON.stringify([headers, cert, key]);
  } catch {
    return undefined;
  }
}

/** The client caches the credential in this object, so a new object clears the cache. */
function copyOf({ clusters, contexts, users, currentContext }: KubeConfig): KubeConfig {
  const copy = new KubeConfig();
  copy.loadFromOptions({ clusters, contexts, users, currentContext });
  return copy;
}
