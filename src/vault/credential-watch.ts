import type { Logger } from '../observability/logger.js';
import { Alarm } from '../runtime/alarm.js';
import type { Clock } from '../runtime/clock.js';
import { LogOnce } from '../runtime/log-once.js';
import type { CredentialsInFiles } from './authenticator.js';

/** Only the state of the files is looked at, unless it has changed. */
const LOOK_MS = 1_000;
/** What was written a moment ago may be half of it: only what stays the same for so long is used. */
const SETTLE_MS = 250;

/** The session that logs in with the credentials. */
interface Watcher {
  readonly isAlive: boolean;
  /**
   * Called again and again while the files hold credentials that no login has succeeded with.
   *
   * @param areNew no login has tried them yet.
   */
  onCredentials(areNew: boolean): void;
}

/** Notices that credentials in files have changed. Does nothing where none are in files. */
export class CredentialWatch {
  private readonly alarm: Alarm;
  private readonly said = new LogOnce();
  private watcher: Watcher | undefined;
  private lastId: string | undefined;

  constructor(
    private readonly credentials: CredentialsInFiles | undefined,
    clock: Clock,
    private readonly logger: Logger,
  ) {
    this.alarm = new Alarm(clock);
  }

  start(watcher: Watcher): void {
    if (this.credentials === undefined) return;
    this.watcher = watcher;
    this.look();
  }

  stop(): void {
    this.watcher = undefined;
    this.alarm.clear();
  }

  /** Whether the files hold, at this moment, credentials that no login has tried yet. */
  get findsNew(): boolean {
    const seen = this.credentials?.look();
    return seen?.id !== undefined && !seen.areTried;
  }

  private look(): void {
    const { credentials, watcher } = this;
    if (credentials === undefined || watcher === undefined) return;
    const { id, problem, areTried, areInUse } = credentials.look();
    if (watcher.isAlive) this.sayProblem(problem);
    const isSettled = id === this.lastId;
    this.lastId = id;
    if (id !== undefined && isSettled && !areInUse) {
      const { variables } = credentials;
      if (!areTried && this.said.isNew('change', id)) {
        this.logger.info('the credentials in files have changed', { variables });
      }
      watcher.onCredentials(!areTried);
    }
    this.alarm.setIn(isSettled ? LOOK_MS : SETTLE_MS, () => {
      this.look();
    });
  }

  private sayProblem(problem: string | undefined): void {
    if (problem === undefined) this.said.clear('problem');
    else if (this.said.isNew('problem', problem)) {
      this.logger.warn('cannot use the credentials in files; the Vault token stays in use', { problem });
    }
  }
}
