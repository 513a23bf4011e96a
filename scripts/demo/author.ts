import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

import { DEMO_KEY_ID } from '../../test/servers/kms/demo-key.js';
import type { Narrator } from './narrator.js';

/** Somebody who keeps secrets in a folder, and changes them with the built author's tool. */
export class Author {
  /**
   * @param folder gets the files; it is in the folder of the demo.
   * @param environment for AWS, Vault and the cluster.
   */
  constructor(
    readonly folder: string,
    private readonly environment: Readonly<Record<string, string>>,
    private readonly narrator: Narrator,
  ) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, '.kms-vault.yaml'), `creationRules:\n  - keyId: ${DEMO_KEY_ID}\n`);
  }

  /** Copies a sample without its ciphertexts, as an author starts. */
  start(sample: string): string {
    const text = readFileSync(sample, 'utf8').replace(/^(\s+encryptedSecret:).*$/gm, '$1');
    return this.write(basename(sample), text);
  }

  write(name: string, text: string): string {
    const file = join(this.folder, name);
    writeFileSync(file, text);
    return file;
  }

  /** Encrypts a value into a file; it is given on stdin. */
  async set(file: string, key: string, value: string, ...options: readonly string[]): Promise<void> {
    if (value === '') await this.run(['set', file, key, '--empty', ...options]);
    else await this.run(['set', file, key, '--from-file', '-', ...options], {}, value);
  }

  /** Edits the values of a file with an editor that replaces one text by another. */
  async edit(file: string, before: string, after: string): Promise<void> {
    const editor = this.write(
      'editor.mjs',
      `import { readFileSync, writeFileSync } from 'node:fs';
const path = process.argv.at(-1);
writeFileSync(path, readFileSync(path, 'utf8').replace(${JSON.stringify(before)}, ${JSON.stringify(after)}));
`,
    );
    await this.run(['edit', file], { VISUAL: `'${process.execPath}' '${editor}'` });
  }

  /** Shows what applying a file would change in Vault. */
  async plan(file: string, expected: 'changes' | 'nothing to do'): Promise<void> {
    await this.run(['plan', '--cluster', '-f', file], {}, '', expected === 'changes' ? 2 : 0);
  }

  private async run(
    args: readonly string[],
    environment: Readonly<Record<string, string>> = {},
    stdin = '',
    expectedCode = 0,
  ): Promise<void> {
    const { PATH = '', HOME = '' } = process.env;
    const child = spawn(process.execPath, ['dist/cli.js', ...args], {
      env: { PATH, HOME, ...this.environment, ...environment },
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
    }
    child.stdin.end(stdin);
    const [code] = (await once(child, 'close')) as [number | null];
    this.narrator.say(`kubectl kms-vault ${args.join(' ')}`);
    for (const line of said.trim().split('\n')) this.narrator.say(`  ${line}`);
    if (code !== expectedCode)
      throw new Error(`kubectl kms-vault ${args.join(' ')} ended with ${String(code)}`);
  }
}
