import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';

/** A certificate chain and its key, as PEM texts. */
export interface CertificatePair {
  readonly cert: string;
  readonly key: string;
}

/** Says why what files hold cannot be used; nothing of their content is in the message. */
export class UnusableFilesError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UnusableFilesError';
  }
}

/** What a look at the files has found. */
export type FilesSeen<T> =
  /** What the last good value was made of. */
  | { readonly outcome: 'same' }
  | { readonly outcome: 'new'; readonly value: T }
  /** The last good value stays. */
  | {
      readonly outcome: 'bad';
      readonly problem: string;
      /** The file that cannot be read, if that is the problem. */
      readonly file?: string;
      /** Equal as long as the problem and the content of the files are. */
      readonly state: string;
    };

const SAME = { outcome: 'same' } as const;

/**
 * What one or several files held when they were last good together. They may be rewritten in place, half-written,
 * removed, or swapped by the `..data` symlink of a mounted volume: whatever cannot be used changes nothing.
 */
export class LastGoodFiles<T> {
  private good: { readonly value: T; readonly id: string } | undefined;
  /** The state of the files before they were last read and found good. */
  private seen: string | undefined;
  private goodCount = 0;

  /** @param parse gets the texts in the order of `files`; throws UnusableFilesError. */
  constructor(
    private readonly files: readonly string[],
    private readonly parse: (texts: readonly string[]) => T,
  ) {}

  /** The last good value; undefined before the first one. */
  get value(): T | undefined {
    return this.good?.value;
  }

  /** Changes exactly when {@link value} does. */
  get version(): number {
    return this.goodCount;
  }

  /** Reads only files whose inode, size or times have changed, and all as long as they are bad. Never throws. */
  look(): FilesSeen<T> {
    const state = this.files.map(fileState).join(' ');
    if (state === this.seen) return SAME;
    const found = this.read();
    this.seen = found.outcome === 'bad' ? undefined : state;
    return found;
  }

  /** Reads the files and compares their content, in whatever way it may have changed. Never throws. */
  read(): FilesSeen<T> {
    const texts: string[] = [];
    for (const file of this.files) {
      try {
        texts.push(readFileSync(file, 'utf8'));
      } catch {
        const problem = 'cannot be read';
        return { outcome: 'bad', problem, file, state: `${problem} ${file}` };
      }
    }
    const id = contentId(texts);
    if (id === this.good?.id) return SAME;
    try {
      const value = this.parse(texts);
      this.good = { value, id };
      this.goodCount += 1;
      return { outcome: 'new', value };
    } catch (error) {
      const problem = error instanceof UnusableFilesError ? error.message : 'cannot be used';
      return { outcome: 'bad', problem, state: `${problem} ${id}` };
    }
  }
}

/** Equal as long as the file is the same and unchanged, judged without reading it; undefined when it is missing. */
export function fileState(file: string): string | undefined {
  try {
    const { ino, size, mtimeMs, ctimeMs } = statSync(file);
    return [ino, size, mtimeMs, ctimeMs].join(':');
  } catch {
    return undefined;
  }
}

/** Equal exactly when the texts are. */
function contentId(texts: readonly string[]): string {
  const hash = createHash('sha256');
  for (const text of texts) hash.update(`${String(text.length)}:`).update(text);
  return hash.digest('hex');
}
