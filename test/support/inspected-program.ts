import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';

import type { Question } from './memory-inspection.js';

/** A program of ours whose memory can be looked into; see {@link Question}. */
export class InspectedProgram {
  /** What it has printed so far, on both streams. */
  output = '';

  private constructor(private readonly child: ChildProcess) {
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
  }

  /** @param name of `test/support/inspected-<name>.ts`. */
  static async start(
    name: 'operator' | 'webhook',
    flags: readonly string[],
    env: Readonly<Record<string, string>>,
  ): Promise<InspectedProgram> {
    const bundle = `.cache/inspected-${name}.mjs`;
    execFileSync(process.execPath, [
      'node_modules/esbuild/bin/esbuild',
      `test/support/inspected-${name}.ts`,
      '--bundle',
      '--platform=node',
      '--format=esm',
      '--target=node20',
      // With everything in one file a snapshot takes minutes: for each function V8 counts the lines before it.
      '--packages=external',
      '--log-level=error',
      `--outfile=${bundle}`,
    ]);
    // Otherwise a value far inside a text is cut off.
    const child = spawn(process.execPath, ['--heap-snapshot-string-limit=1000000', bundle, ...flags], {
      env: { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true', ...env },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    const program = new InspectedProgram(child);
    const ended = once(child, 'exit').then(() => {
      throw new Error(`the ${name} ended: ${program.output.slice(-1_000)}`);
    });
    ended.catch(() => undefined);
    await Promise.race([once(child, 'message'), ended]);
    return program;
  }

  async ask(question: Question): Promise<string> {
    const reply = once(this.child, 'message');
    this.child.send(question);
    const [text] = (await reply) as [string];
    return text;
  }

  /** How often the texts are in buffers that anything refers to. */
  async inBuffers(...texts: string[]): Promise<number> {
    return Number(await this.ask({ ask: 'buffers', texts: texts.map((text) => [...Buffer.from(text)]) }));
  }

  async close(): Promise<void> {
    if (this.child.exitCode !== null) return;
    const exited = once(this.child, 'exit');
    this.child.disconnect();
    await exited;
  }
}
