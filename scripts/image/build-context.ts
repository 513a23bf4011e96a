import { cpSync, mkdirSync, readdirSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';

interface Rule {
  readonly expression: RegExp;
  readonly keeps: boolean;
}

/**
 * Tells which paths a `.dockerignore` file keeps out of a build, as BuildKit and buildah read it: every rule
 * is tried on the path and on all folders above it, and the last one that matches decides.
 * Source: https://docs.docker.com/build/concepts/context/#dockerignore-files
 */
export class DockerIgnore {
  private readonly rules: readonly Rule[];

  constructor(text: string) {
    this.rules = text
      .split(/\r?\n/)
      .filter((line) => !line.startsWith('#'))
      .map((line) => line.trim())
      .filter((line) => line !== '' && line !== '!')
      .map((line) => {
        const keeps = line.startsWith('!');
        return { keeps, expression: expressionOf(keeps ? line.slice(1).trim() : line) };
      });
  }

  /** `path` is relative to the context, with slashes. */
  ignores(path: string): boolean {
    const parts = path.split('/');
    const names = parts.map((_, index) => parts.slice(0, index + 1).join('/'));
    const last = this.rules.findLast(({ expression }) => names.some((name) => expression.test(name)));
    return last !== undefined && !last.keeps;
  }

  /** Copies what may be seen of a folder, and only that; the files' paths, sorted. */
  copy(from: string, to: string): string[] {
    const copied: string[] = [];
    const visit = (folder: string): void => {
      for (const entry of readdirSync(join(from, folder), { withFileTypes: true })) {
        const path = posix.join(folder, entry.name);
        // A folder that is ignored may hold a file that is not.
        if (entry.isDirectory() && this.mayHoldKept(path)) visit(path);
        else if (!entry.isDirectory() && !this.ignores(path)) {
          mkdirSync(dirname(join(to, path)), { recursive: true });
          cpSync(join(from, path), join(to, path), { preserveTimestamps: true, verbatimSymlinks: true });
          copied.push(path);
        }
      }
    };
    visit('');
    return copied.sort();
  }

  /** Big folders are not walked for nothing; a rule with `**` can match at any depth. */
  private mayHoldKept(folder: string): boolean {
    if (!this.ignores(folder)) return true;
    return this.rules.some(({ keeps, expression }) => {
      if (!keeps) return false;
      const source = expression.source.slice(1, -1).replaceAll('\\', '');
      return source.startsWith(`${folder}/`) || /[(*]/.test(source);
    });
  }
}

function expressionOf(pattern: string): RegExp {
  const clean = posix.normalize(pattern).replace(/^\/+/, '').replace(/\/+$/, '');
  if (/[[\]\\]/.test(clean)) throw new Error(`.dockerignore: classes and escapes are not read: ${pattern}`);
  let source = '';
  for (let index = 0; index < clean.length; index += 1) {
    const rest = clean.slice(index);
    if (rest === '**') {
      source += '.*';
      index += 1;
    } else if (rest.startsWith('**')) {
      source += '(.*/)?';
      index += rest.startsWith('**/') ? 2 : 1;
    } else if (rest.startsWith('*')) source += '[^/]*';
    else if (rest.startsWith('?')) source += '[^/]';
    else source += rest.charAt(0).replace(/[.+^${}()|/-]/, '\\$&');
  }
  return new RegExp(`^${source}$`);
}
