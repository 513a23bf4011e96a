import { KubeConfig } from '@kubernetes/client-node';
import type { RequestOptions } from 'node:https';

import type { Clock } from '../runtime/clock.js';

/** What the plugin gave is used for so long without asking: one that names no end would be run each time. */
const REUSE_MS = 10_000;
/** Between two runs because of refusals: doubled as long as what the plugin gives is refused. */
const MIN_PAUSE_MS = 10_000;
const MAX_PAUSE_MS = 5 * 60_000;

/** What one run of the plugin gave; to be handed back with the API server's judgement. */
export interface ExecRun {
  readonly startedMs: number;
  readonly options: Promise<RequestOptions>;
}

/**
 * Runs the credential plugin of a kubeconfig's user, once for all who ask at the same time. The client
 * keeps what the plugin gave until the time that it named. When the API server refuses it before, the
 * plugin is run again, as client-go does (`maybeRefreshCreds` in client-go's plugin/pkg/client/auth/exec).
 */
export class ExecCredential {
  private current: KubeConfig;
  private run: ExecRun | undefined;
  private refreshedMs: number | undefined;
  private pauseMs = MIN_PAUSE_MS;

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
    const run: ExecRun = { startedMs: nowMs, options: applied(this.current) };
    this.run = run;
    run.options.catch(() => {
      if (this.run === run) this.run = undefined;
    });
    return run;
  }

  /**
   * The API server answered 401 to what a run gave.
   *
   * @returns whether there is something else to try.
   */
  refused(run: ExecRun): boolean {
    if (run !== this.run && this.run !== undefined) return true;
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

  accepted(): void {
    this.pauseMs = MIN_PAUSE_MS;
  }
}

async function applied(config: KubeConfig): Promise<RequestOptions> {
  const options: RequestOptions = {};
  await config.applyToHTTPSOptions(options);
  return options;
}

/** The client keeps what a plugin gave in the object: a new one knows nothing. */
function copyOf({ clusters, contexts, users, currentContext }: KubeConfig): KubeConfig {
  const copy = new KubeConfig();
  copy.loadFromOptions({ clusters, contexts, users, currentContext });
  return copy;
}
