import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

import { cpuMsOf } from './process-accounting.js';

export type ServerKind = 'kms' | 'vault' | 'kubernetes';

/** What a server says of itself when it serves. */
export interface Introduction {
  readonly url: string;
  /** PEM of the authority of a KMS. */
  readonly ca?: string;
  /** Of a Vault. */
  readonly rootToken?: string;
  /** Of an administrator of a cluster. */
  readonly kubeconfig?: string;
}

/** What a server saw since its log was cleared. */
export interface Counts {
  /** The monotonic clock of the process. */
  readonly atMs: number;
  readonly requests: number;
  readonly served: number;
  readonly throttled: number;
  /** By what the server calls a request. */
  readonly operations: Readonly<Record<string, number>>;
  /** Different paths of K/V secrets that were read or written. */
  readonly paths: number;
}

/** What a server can be told. */
export interface Commands {
  /** Milliseconds that are added to every answer; begins the log anew. */
  latency: { ask: { readonly ms: number }; answer: null };
  /** Of KMS; undefined: none. */
  quota: { ask: { readonly perSecond?: number }; answer: null };
  clear: { ask: null; answer: null };
  counts: { ask: null; answer: Counts };
  /** How many secrets of Vault hold values of an edition and no others. */
  holding: { ask: { readonly edition: string }; answer: number };
  /** Waits for an edition, and answers when it arrived: milliseconds since 1970. */
  awaited: { ask: { readonly name: string; readonly edition: string }; answer: number };
}

export type Command = keyof Commands;

export interface Question {
  readonly id: number;
  readonly command: Command;
  readonly ask: unknown;
}

/** A loopback server in a process of its own, so that its work is on no thread of its client or of the benchmark. */
export class ServerProcess {
  private lastId = 0;
  private readonly waiting = new Map<number, (answer: unknown) => void>();

  private constructor(
    private readonly child: ChildProcess,
    readonly introduction: Introduction,
  ) {
    child.on('message', ({ id, answer }: { id: number; answer: unknown }) => {
      this.waiting.get(id)?.(answer);
      this.waiting.delete(id);
    });
  }

  /** @param program the bundle that serves when it is given the arguments `serve KIND`. */
  static async start(program: string, kind: ServerKind): Promise<ServerProcess> {
    const child = fork(program, ['serve', kind], { execArgv: ['--enable-source-maps'] });
    const [introduction] = (await once(child, 'message')) as [Introduction];
    return new ServerProcess(child, introduction);
  }

  get cpuMs(): number {
    return cpuMsOf(this.child.pid ?? 0);
  }

  async tell<C extends Command>(command: C, ask: Commands[C]['ask']): Promise<Commands[C]['answer']> {
    this.lastId += 1;
    const question: Question = { id: this.lastId, command, ask };
    return await new Promise((resolve) => {
      this.waiting.set(question.id, resolve as (answer: unknown) => void);
      this.child.send(question);
    });
  }

  async stop(): Promise<void> {
    const closed = once(this.child, 'close');
    this.child.kill();
    await closed;
  }
}
