import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { X509Certificate } from 'node:crypto';

import type { Logger } from '../observability/logger.js';
import { LastGoodFiles, UnusableFilesError } from './last-good-files.js';
import { LogOnce } from './log-once.js';

const PEM = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

export interface TrustSources {
  /** PEM files; a directory among them is read like an entry of `directories`. */
  readonly files: readonly string[];
  readonly directories: readonly string[];
  /** PEM text that is at hand already. */
  readonly pem?: string;
  /** Trust the built-in roots too. */
  readonly builtIn: boolean;
}

/**
 * The certificate authorities to trust, read from files that may change while the process runs, also by
 * the `..data` symlink swap of mounted volumes. A file that is missing, half-written or holds no
 * certificate keeps the last good state and is logged once; verification is never switched off.
 */
export class TrustStore {
  private readonly sources = new Map<string, LastGoodFiles<readonly string[]>>();
  private readonly said = new LogOnce();
  private cached: { readonly key: string; readonly roots: readonly string[] } | undefined;

  constructor(
    private readonly options: TrustSources,
    private readonly logger: Logger,
  ) {}

  /** The roots as of now, as PEM texts; the same array as long as nothing changed. */
  roots(): readonly string[] {
    const paths = [...this.options.files, ...this.options.directories].flatMap((path) => this.expand(path));
    for (const path of paths) this.refresh(path);
    const key = paths.map((path) => `${path}=${String(this.sources.get(path)?.version)}`).join('\n');
    if (this.cached?.key !== key) {
      const added = paths.flatMap((path) => this.sources.get(path)?.value ?? []);
      const inline = this.options.pem?.match(PEM) ?? [];
      const builtIn = this.options.builtIn ? rootCertificates : [];
      this.cached = { key, roots: [...new Set([...builtIn, ...inline, ...added])] };
    }
    return this.cached.roots;
  }

  /** Changes exactly when {@link roots} does. */
  version(): readonly string[] {
    return this.roots();
  }

  private expand(path: string): string[] {
    try {
      if (!statSync(path).isDirectory()) return [path];
      return readdirSync(path)
        .filter((name) => !name.startsWith('.'))
        .map((name) => join(path, name))
        .filter((entry) => statSync(entry, { throwIfNoEntry: false })?.isFile() === true)
        .sort();
    } catch {
      this.logProblem(path, 'cannot be read');
      return [path];
    }
  }

  private refresh(path: string): void {
    const source = this.sources.get(path) ?? new LastGoodFiles([path], certificatesIn);
    this.sources.set(path, source);
    const seen = source.look();
    if (seen.outcome === 'bad') this.logProblem(path, seen.problem);
    else this.said.clear(path);
  }

  private logProblem(path: string, problem: string): void {
    if (!this.said.isNew(path)) return;
    this.logger.warn('cannot load a certificate authority file; still trusting the previous certificates', {
      path,
      problem,
    });
  }
}

/** @throws UnusableFilesError for a text without a certificate or with a half-written one. */
function certificatesIn([text = '']: readonly string[]): readonly string[] {
  const certificates = text.match(PEM) ?? [];
  if (certificates.length === 0) throw new UnusableFilesError('contains no certificate');
  try {
    for (const certificate of certificates) new X509Certificate(certificate);
  } catch {
    throw new UnusableFilesError('cannot be read as PEM certificates');
  }
  return certificates;
}
