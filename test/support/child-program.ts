import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

import { eventually } from './wait.js';

export interface LogLine {
  readonly level?: string;
  readonly msg?: string;
  readonly addr?: string;
  readonly [fact: string]: unknown;
}

/** Variables that a child needs to run at all, and no credentials. */
const PASSED_ON = ['PATH', 'HOME', 'TMPDIR', 'NODE_EXTRA_CA_CERTS'];

/** A built program as a child process, with flags and environment and nothing else. */
export class ChildProgram {
  /** Everything that it printed. */
  output = '';
  readonly lines: LogLine[] = [];
  private readonly child: ChildProcess;
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;

  /** @param onLine receives each line that the program prints. */
  constructor(
    script: string,
    flags: readonly string[],
    env: Readonly<Record<string, string>>,
    private readonly onLine?: (line: string) => void,
  ) {
    const inherited = Object.fromEntries(
      PASSED_ON.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
    ) as Record<string, string>;
    this.child = spawn(process.execPath, [script, ...flags], {
      env: { ...inherited, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on('line', (line) => this.take(line));
    }
    this.exited = once(this.child, 'close').then(([code, signal]) => ({
      code: code as number | null,
      signal: signal as NodeJS.Signals | null,
    }));
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /**
   * Waits for a log line with this message.
   *
   * @throws with the end of the output: after the deadline, or as soon as the program has ended without the line.
   */
  async logged(message: string, timeoutMs = 20_000): Promise<LogLine> {
    const find = (): LogLine | undefined => this.lines.find((line) => line.msg === message);
    let ended = false;
    void this.exited.then(() => (ended = true));
    const seen = await eventually(message, () => find() ?? ended, timeoutMs).catch(() => undefined);
    const line = typeof seen === 'object' ? seen : find();
    if (line !== undefined) return line;
    const why = ended ? 'the program has ended' : `not seen within ${String(timeoutMs / 1000)} s`;
    throw new Error(`${why}: log line "${message}" (so far: ${this.output.slice(-500)})`);
  }

  /** The address that a server logged, reachable on loopback. */
  async address(message: string): Promise<string> {
    const { addr = '' } = await this.logged(message);
    return `http://127.0.0.1:${addr.slice(addr.lastIndexOf(':') + 1)}`;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.running) this.child.kill(signal);
  }

  /** Ends it politely and gives its exit code. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.signal(signal);
    return (await this.exited).code;
  }

  private take(line: string): void {
    this.onLine?.(line);
    this.output += `${line}\n`;
    try {
      this.lines.push(JSON.parse(line) as LogLine);
    } catch {
      this.lines.push({ msg: line });
    }
  }
}
