import { mkdtempSync, renameSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { LastGoodFiles, UnusableFilesError } from '../../../src/runtime/last-good-files.js';

describe('LastGoodFiles', () => {
  let directory: string;
  let reads: number;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'files-'));
    reads = 0;
  });

  afterEach(() => {
    rmSync(directory, { recursive: true });
  });

  const at = (name: string): string => join(directory, name);

  /** Two texts are good together when they are equal. */
  const equalPair = (): LastGoodFiles<{ readonly text: string }> =>
    new LastGoodFiles([at('a'), at('b')], ([a = '', b = '']) => {
      reads += 1;
      if (a !== b) throw new UnusableFilesError('not equal');
      return { text: a };
    });

  const write = (a: string, b = a): void => {
    writeFileSync(at('a'), a);
    writeFileSync(at('b'), b);
  };

  it('keeps the last good value while one file is written and the other is not, or is gone', () => {
    write('first');
    const files = equalPair();
    expect(files.look()).toEqual({ outcome: 'new', value: { text: 'first' } });
    const value = files.value;
    writeFileSync(at('a'), 'second');
    expect(files.look()).toMatchObject({ outcome: 'bad', problem: 'not equal' });
    rmSync(at('b'));
    expect(files.look()).toMatchObject({ outcome: 'bad', problem: 'cannot be read', file: at('b') });
    expect(files.value).toBe(value);
    write('second');
    expect(files.look()).toMatchObject({ outcome: 'new' });
    expect([files.value?.text, files.version]).toEqual(['second', 2]);
  });

  it('has no value before the first good one, and reads bad files again', () => {
    const files = equalPair();
    expect(files.look()).toMatchObject({ outcome: 'bad', file: at('a') });
    expect(files.value).toBeUndefined();
    write('first', 'second');
    const states = [files.look(), files.look()].map((seen) => seen.outcome === 'bad' && seen.state);
    expect(states[0]).toBe(states[1]);
    expect(states[0]).not.toContain('first ');
    expect(reads).toBe(2);
  });

  it('looks into files only when they have changed, and finds equal content to be the same', () => {
    write('first');
    const files = equalPair();
    files.look();
    expect([files.look().outcome, files.look().outcome]).toEqual(['same', 'same']);
    const value = files.value;
    write('first');
    expect(files.look().outcome).toBe('same');
    expect([files.value === value, files.version, reads]).toEqual([true, 1, 1]);
  });

  it('notices another content of the same size and time when it reads', () => {
    write('first');
    const files = equalPair();
    files.read();
    const { atime, mtime } = statSync(at('a'));
    write('other');
    for (const name of ['a', 'b']) utimesSync(at(name), atime, mtime);
    expect(files.read()).toEqual({ outcome: 'new', value: { text: 'other' } });
  });

  it('follows a symbolic link that is swapped', () => {
    writeFileSync(at('v1'), 'one');
    writeFileSync(at('v2'), 'two');
    symlinkSync(at('v1'), at('link'));
    const files = new LastGoodFiles([at('link')], ([text = '']) => text);
    files.look();
    symlinkSync(at('v2'), at('next'));
    renameSync(at('next'), at('link'));
    expect(files.look()).toEqual({ outcome: 'new', value: 'two' });
  });

  it('quotes nothing of an error that is not its own', () => {
    write('secret');
    const files = new LastGoodFiles([at('a')], ([text = '']): string => {
      throw new Error(text);
    });
    expect(JSON.stringify(files.look())).not.toContain('secret');
  });
});
