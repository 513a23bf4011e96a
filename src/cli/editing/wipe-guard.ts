import type { PrivateFolder } from './private-folder.js';

const END_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

/**
 * Wipes a folder however the process ends, except by SIGKILL. After a signal the folder is wiped, the editor is ended, what
 * it left is wiped as well, and the process ends by the same signal; after SIGQUIT by SIGTERM, because the memory that
 * SIGQUIT may write to a disk holds the values.
 */
export class WipeGuard {
  /** Set it as soon as it exists. */
  folder: PrivateFolder | undefined;
  private readonly wipe = (): void => {
    this.folder?.wipe();
  };

  /** @param stopEditor may be called again, when a second signal arrives. */
  constructor(private readonly stopEditor: () => Promise<void>) {
    process.on('exit', this.wipe);
    for (const signal of END_SIGNALS) process.on(signal, this.onSignal);
  }

  /** Wipes, and gives the signals back. */
  end(): void {
    this.wipe();
    process.off('exit', this.wipe);
    for (const signal of END_SIGNALS) process.off(signal, this.onSignal);
  }

  private readonly onSignal = (signal: NodeJS.Signals): void => {
    this.wipe();
    void this.stopEditor().then(() => {
      this.end();
      process.kill(process.pid, signal === 'SIGQUIT' ? 'SIGTERM' : signal);
    });
  };
}
