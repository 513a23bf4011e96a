import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

import { startKmsServer } from '../test/servers/kms/server.js';

/** What the process is told; all of it is set anew, and the counts begin again. */
export interface KmsSettings {
  /** Milliseconds of every answer. */
  readonly latencyMs: number;
  /** Undefined: no quota. */
  readonly quotaPerSecond?: number;
}

export interface KmsCounts {
  /** The monotonic clock of the process. */
  readonly atMs: number;
  readonly served: number;
  readonly throttled: number;
}

type Answer = KmsCounts & { readonly url: string };

/** A loopback KMS in a process of its own, so that it and its client do not share a processor core. */
export class KmsProcess {
  private constructor(
    private readonly child: ChildProcess,
    readonly url: string,
  ) {}

  /** @param program the bundle that runs {@link serveKms} when it is given the argument `kms`. */
  static async start(program: string): Promise<KmsProcess> {
    const child = fork(program, ['kms']);
    const [{ url }] = (await once(child, 'message')) as [Answer];
    return new KmsProcess(child, url);
  }

  async set(settings: KmsSettings): Promise<void> {
    await this.ask(settings);
  }

  async counts(): Promise<KmsCounts> {
    return await this.ask('counts');
  }

  stop(): void {
    this.child.kill();
  }

  private async ask(question: KmsSettings | 'counts'): Promise<Answer> {
    const answer = once(this.child, 'message') as Promise<[Answer]>;
    this.child.send(question);
    return (await answer)[0];
  }
}

/** The other side of {@link KmsProcess}. */
export async function serveKms(): Promise<void> {
  const kms = await startKmsServer();
  const answer = (): void => {
    const count = (status: number): number => kms.requests.count((request) => request.status === status);
    process.send?.({ url: kms.url, atMs: performance.now(), served: count(200), throttled: count(400) });
  };
  process.on('message', (question: KmsSettings | 'counts') => {
    if (question !== 'counts') {
      kms.latencyMs = question.latencyMs;
      kms.quotaPerSecond = question.quotaPerSecond;
      kms.requests.clear();
    }
    answer();
  });
  process.on('disconnect', () => process.exit(0));
  answer();
}
