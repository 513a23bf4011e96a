import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { ReadRecorder } from '../../../scripts/manifests/read-recorder.js';

type Tree = { readonly [key: string]: Tree | string } | readonly (Tree | string)[];

const never = (): boolean => false;

/** Reads everything except the value at a path. */
function readBut(view: unknown, left: string, path = ''): void {
  if (typeof view !== 'object' || view === null) return;
  for (const key of Object.keys(view)) {
    const below = Array.isArray(view) ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`;
    if (below !== left) readBut((view as Record<string, unknown>)[key], left, below);
  }
}

function paths(tree: Tree | string, path = ''): string[] {
  if (typeof tree === 'string') return [];
  return Object.entries(tree).flatMap(([key, inner]: [string, Tree | string]) => {
    const below = Array.isArray(tree) ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`;
    return [below, ...paths(inner, below)];
  });
}

const TREES = fc.letrec<{ tree: Tree; node: Tree | string }>((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small' },
    fc.dictionary(fc.stringMatching(/^[a-z]{1,4}$/), tie('node'), { maxKeys: 4 }),
    fc.array(tie('node'), { maxLength: 3 }),
  ),
  node: fc.oneof({ depthSize: 'small' }, fc.constant('leaf'), tie('tree')),
})).tree;

describe('ReadRecorder', () => {
  it('names exactly the field that nobody has read, and nothing below it', () => {
    fc.assert(
      fc.property(TREES, fc.nat(), (tree, choice) => {
        const all = paths(tree);
        const left = all[choice % Math.max(all.length, 1)] ?? '';
        const recorder = new ReadRecorder();
        readBut(recorder.watch(tree), left);
        expect(recorder.unread(tree, never)).toEqual(left === '' ? [] : [left]);
      }),
    );
  });

  it('does not count a question for a field that is not there', () => {
    const recorder = new ReadRecorder();
    const view = recorder.watch({ replcias: 1 }) as { replicas?: number };
    expect(view.replicas).toBeUndefined();
    expect(recorder.unread({ replcias: 1 }, never)).toEqual(['replcias']);
  });

  it('leaves out what is at or below an opaque path', () => {
    const value = { open: { any: { thing: 1 } }, other: 1 };
    expect(new ReadRecorder().unread(value, (path) => path === 'open')).toEqual(['other']);
  });
});
