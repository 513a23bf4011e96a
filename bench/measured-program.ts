import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

import { cpuMsOf, type Memory, memoryOf } from './process-accounting.js';

const PASSED_ON = ['PATH', 'HOME', 'TMPDIR'];
const KEPT_OUTPUT = 2_000;
const STOP_LIMIT_MS = 20_000;
/** A program that uses less of a core than this share has nothing to do. */
const QUIET_SHARE = 0.05;
const QUIET_SAMPLE_MS = 500;
const SETTLE_LIMIT_MS = 120_000;

/** A program whose CPU time and memory are read from `/proc`. */
export class MeasuredProgram {
  private output = '';
  private readonly child: ChildProcess;
  private readonly closed: Promise<unknown>;

  /** @param command one command for `sh`, which replaces the shell so that its process is the one that is measured. */
  constructor(
    private readonly command: string,
    env: Readonly<Record<string, string>>,
  ) {
    const inherited = Object.fromEntries(PASSED_ON.map((name) => [name, process.env[name] ?? '']));
    this.child = spawn('/bin/sh', ['-c', `exec ${command}`], {
      env: { ...inherited, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.on('data', (chunk: Buffer) => {
        this.output = (this.output + chunk.toString()).slice(-KEPT_OUTPUT);
      });
    this.closed = once(this.child, 'close');
  }

  get cpuMs(): number {
    this.requireRunning();
    return cpuMsOf(this.child.pid ?? 0);
  }

  get memory(): Memory {
    this.requireRunning();
    return memoryOf(this.child.pid ?? 0);
  }

  /** Waits for a condition. @throws after the deadline, or as soon as the program has ended. */
  async until(
    what: string,
    look: () => Promise<boolean> | boolean,
    { limitMs = 1_800_000, intervalMs = 50 } = {},
  ): Promise<void> {
    const deadline = performance.now() + limitMs;
    while (!(await look())) {
      this.requireRunning();
      if (performance.now() > deadline)
        throw new Error(
          `not seen within ${String(limitMs / 1_000)} s: ${what}; last output: ${this.output.slice(-500)}`,
        );
      await pass(intervalMs);
    }
  }

  /** Waits until it uses almost no CPU time. */
  async settled(): Promise<void> {
    let before = this.cpuMs;
    await pass(QUIET_SAMPLE_MS);
    await this.until(
      'the program has nothing to do',
      () => {
        const used = this.cpuMs - before;
        before += used;
        return used < QUIET_SHARE * QUIET_SAMPLE_MS;
      },
      { limitMs: SETTLE_LIMIT_MS, intervalMs: QUIET_SAMPLE_MS },
    );
  }

  async stop(): Promise<void> {
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), STOP_LIMIT_MS);
    await this.closed;
    clearTimeout(timer);
  }

  private requireRunning(): void {
    if (this.child.exitCode !== null || this.child.signalCode !== null)
      throw new Error(`the program has ended: ${this.command}\n${this.output}`);
  }
}

export async function pass(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}
