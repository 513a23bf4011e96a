import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { X509Certificate } from 'node:crypto';

import type { Logger } from '../observability/logger.js';
import { type Clock, systemClock } from './clock.js';
import { fileState, LastGoodFiles, UnusableFilesError } from './last-good-files.js';
import { LogOnce } from './log-once.js';

const PEM = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/**
 * How long what was read is good without proof that nothing changed: a file in a directory can be rewritten without its
 * directory, and looking at hundreds of them takes milliseconds.
 */
const RECHECK_MS = 1_000;

export interface TrustSources {
  /** PEM files; a directory among them is read like an entry of `directories`. */
  readonly files: readonly string[];
  readonly directories: readonly string[];
  /** PEM text that need not be read from a file. */
  readonly pem?: string;
  /** Trust the built-in roots too. */
  readonly builtIn: boolean;
}

/**
 * The certificate authorities to trust, read from files that may change while the process runs, also by
 * the `..data` symlink swap of mounted volumes. A file that is missing, half-written or holds no
 * certificate keeps the last good state and is logged once; verification is never switched off.
 *
 * A replaced file, and a file that comes to a directory or goes, are used from the next call on; one that is rewritten
 * in its directory after a second at most.
 */
export class TrustStore {
  private readonly sources = new Map<string, LastGoodFiles<readonly string[]>>();
  private readonly said = new LogOnce();
  private cached:
    | {
        readonly key: string;
        readonly roots: readonly string[];
        /** The state of the files and directories that this was read from. */
        readonly state: string;
        /** When it must be read again although the state is the same (monotonic milliseconds). */
        readonly untilMs: number;
      }
    | undefined;

  constructor(
    private readonly options: TrustSources,
    private readonly logger: Logger,
    private readonly clock: Pick<Clock, 'monotonicMs'> = systemClock,
  ) {}

  /** The roots as of now, as PEM texts; the same array as long as nothing changed. */
  roots(): readonly string[] {
    const state = this.state();
    const nowMs = this.clock.monotonicMs();
    if (this.cached?.state === state && nowMs < this.cached.untilMs) return this.cached.roots;
    const paths = [...this.options.files, ...this.options.directories].flatMap((path) => this.expand(path));
    const areGood = paths.map((path) => this.refresh(path)).every((isGood) => isGood);
    const key = paths.map((path) => `${path}=${String(this.sources.get(path)?.version)}`).join('\n');
    const arePlain = paths.join('\n') === this.options.files.join('\n');
    const untilMs = areGood && arePlain ? Number.POSITIVE_INFINITY : nowMs + RECHECK_MS;
    if (this.cached?.key !== key) {
      const added = paths.flatMap((path) => this.sources.get(path)?.value ?? []);
      const inline = this.options.pem?.match(PEM) ?? [];
      const builtIn = this.options.builtIn ? rootCertificates : [];
      this.cached = { key, roots: [...new Set([...builtIn, ...inline, ...added])], state, untilMs };
    } else this.cached = { ...this.cached, state, untilMs };
    return this.cached.roots;
  }

  /** Asked for before each request, so it takes one look at each file or directory. */
  private state(): string {
    const { files, directories } = this.options;
    return [...files, ...directories].map((path) => fileState(path) ?? 'missing').join(' ');
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

  /** @returns whether the file, as it is now, can be used. */
  private refresh(path: string): boolean {
    const source = this.sources.get(path) ?? new LastGoodFiles([path], certificatesIn);
    this.sources.set(path, source);
    const seen = source.look();
    if (seen.outcome === 'bad') this.logProblem(path, seen.problem);
    else this.said.clear(path);
    return seen.outcome !== 'bad';
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
