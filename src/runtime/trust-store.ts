import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { X509Certificate } from 'node:crypto';

import type { Logger } from '../observability/logger.js';

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

interface Source {
  fingerprint: string;
  certificates: readonly string[];
}

/**
 * The certificate authorities to trust, read from files that may change while the process runs, also by
 * the `..data` symlink swap of mounted volumes. A file that is missing, half-written or holds no
 * certificate keeps the last good state and is logged once; verification is never switched off.
 */
export class TrustStore {
  private readonly sources = new Map<string, Source>();
  private readonly complained = new Set<string>();
  private cached: { readonly key: string; readonly roots: readonly string[] } | undefined;

  constructor(
    private readonly options: TrustSources,
    private readonly logger: Logger,
  ) {}

  /** The roots as of now, as PEM texts; the same array as long as nothing changed. */
  roots(): readonly string[] {
    const paths = [...this.options.files, ...this.options.directories].flatMap((path) => this.expand(path));
    for (const path of paths) this.refresh(path);
    const key = paths.map((path) => `${path}=${this.sources.get(path)?.fingerprint ?? ''}`).join('\n');
    if (this.cached?.key !== key) {
      const added = paths.flatMap((path) => this.sources.get(path)?.certificates ?? []);
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
      this.complain(path, 'cannot be read');
      return [path];
    }
  }

  private refresh(path: string): void {
    try {
      const { mtimeMs, size, ino } = statSync(path);
      const fingerprint = `${String(ino)}:${String(size)}:${String(mtimeMs)}`;
      if (this.sources.get(path)?.fingerprint === fingerprint) return;
      const certificates = readFileSync(path, 'utf8').match(PEM) ?? [];
      // Throws on a half-written one.
      for (const certificate of certificates) new X509Certificate(certificate);
      if (certificates.length === 0) {
        this.complain(path, 'holds no certificate');
        return;
      }
      this.sources.set(path, { fingerprint, certificates });
      this.complained.delete(path);
    } catch {
      this.complain(path, 'cannot be read as PEM certificates');
    }
  }

  private complain(path: string, problem: string): void {
    if (this.complained.has(path)) return;
    this.complained.add(path);
    this.logger.warn('a certificate authority file is not usable; what was trusted before still is', {
      path,
      problem,
    });
  }
}
