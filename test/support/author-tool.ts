import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { DEMO_ACCESS_KEY, DEMO_REGION } from '../servers/kms/demo-key.js';

export interface ToolResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface StartedTool {
  readonly child: ChildProcessWithoutNullStreams;
  readonly ended: Promise<ToolResult & { readonly signal: NodeJS.Signals | null }>;
}

export interface ToolRun {
  readonly stdin?: string | Buffer;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs the built author's tool in a folder of its own, with no environment but what is given. */
export class AuthorTool {
  readonly folder = mkdtempSync(join(tmpdir(), 'author-'));
  /** Everything that any run has printed. */
  printed = '';
  private readonly env: Readonly<Record<string, string>>;

  /** @param env in addition to what AWS needs for `kmsUrl`. */
  constructor(kmsUrl?: string, env: Readonly<Record<string, string>> = {}) {
    this.env = {
      PATH: process.env.PATH ?? '',
      HOME: this.folder,
      AWS_REGION: DEMO_REGION,
      AWS_ACCESS_KEY_ID: DEMO_ACCESS_KEY.accessKeyId,
      AWS_SECRET_ACCESS_KEY: DEMO_ACCESS_KEY.secretAccessKey,
      ...(kmsUrl === undefined ? {} : { AWS_ENDPOINT_URL_KMS: kmsUrl }),
      ...env,
    };
  }

  async run(args: readonly string[], { stdin, env = {} }: ToolRun = {}): Promise<ToolResult> {
    const { child, ended } = this.start(args, env);
    child.stdin.end(stdin ?? '');
    const { code, stdout, stderr } = await ended;
    return { code, stdout, stderr };
  }

  /** Starts a run and leaves its stdin open. */
  start(args: readonly string[], env: Readonly<Record<string, string>> = {}): StartedTool {
    const child = spawn(process.execPath, [join(process.cwd(), 'dist/cli.js'), ...args], {
      cwd: this.folder,
      env: { ...this.env, ...env },
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.stdin.on('error', () => undefined);
    const ended = once(child, 'close').then(([code, signal]) => {
      this.printed += stdout + stderr;
      return { code: code as number | null, signal: signal as NodeJS.Signals | null, stdout, stderr };
    });
    return { child, ended };
  }

  /** Writes a file of the folder. */
  write(name: string, text: string | Buffer, mode = 0o644): void {
    writeFileSync(join(this.folder, name), text, { mode });
  }

  read(name: string): string {
    return readFileSync(join(this.folder, name), 'utf8');
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
