import { KubeConfig } from '@kubernetes/client-node';
import type { RequestOptions } from 'node:https';

import type { Clock } from '../runtime/clock.js';

/** What the plugin gave is used for so long without asking: one that names no end would be run each time. */
const REUSE_MS = 10_000;
/** Between two runs because of refusals: doubled as long as what the plugin gives is refused. */
const MIN_PAUSE_MS = 10_000;
const MAX_PAUSE_MS = 5 * 60_000;
/**
 * So many credentials that were accepted at first may be replaced at once within the longest pause. More of them
 * mean servers that disagree, not revocations.
 */
const MAX_PROMPT_RUNS = 5;

/** What one run of the plugin gave, or what the client still keeps of one; to be handed back with the API server's judgement. */
export interface ExecRun {
  readonly startedMs: number;
  readonly options: Promise<RequestOptions>;
  /** The object in which the client keeps what the plugin gave. */
  readonly config: KubeConfig;
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
  /** When credentials that had been accepted were replaced without a pause. */
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
   * The API server answered 401 to what a run gave. A request may have been on its way for long: what counts is
   * whether another credential has taken the place of the refused one, not how often it was asked for since.
   *
   * @returns whether there is something else to try.
   */
  async refused(run: ExecRun): Promise<boolean> {
    if (run.config !== this.current) return true;
    const latest = this.run;
    if (latest !== undefined && latest !== run) {
      const [given, refused] = await Promise.all([credentialOf(latest), credentialOf(run)]);
      if (given !== undefined && given !== refused) return true;
      // Meanwhile another request may have been refused, too.
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

  /** The API server took what a run gave: a later refusal means that it was revoked. */
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

/** What tells one credential from another; undefined when the plugin gave none. */
async function credentialOf(run: ExecRun): Promise<string | undefined> {
  try {
    const { headers, cert, key } = await run.options;
    return JSON.stringify([headers, cert, key]);
  } catch {
    return undefined;
  }
}

/** The client keeps what a plugin gave in the object: a new one knows nothing. */
function copyOf({ clusters, contexts, users, currentContext }: KubeConfig): KubeConfig {
  const copy = new KubeConfig();
  copy.loadFromOptions({ clusters, contexts, users, currentContext });
  return copy;
}
