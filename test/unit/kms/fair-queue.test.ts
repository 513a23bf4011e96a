import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { FairQueue, type Urgency, type Waiter } from '../../../src/kms/fair-queue.js';

const urgency = fc.constantFrom<Urgency>('edit', 'resync');
const step = fc.record({
  what: fc.constantFrom('add', 'take', 'put back', 'raise', 'remove', 'remove all'),
  owner: fc.constantFrom('a', 'b', 'c'),
  urgency,
});

describe('FairQueue', () => {
  it('knows at any moment how many owners wait', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const queue = new FairQueue<Waiter>();
        const waiting = new Set<Waiter>();
        const taken: Waiter[] = [];
        for (const { what, ...item } of steps) {
          const [first] = [...waiting].filter(({ owner }) => owner === item.owner);
          if (what === 'add') {
            queue.add(item);
            waiting.add(item);
          } else if (what === 'take') {
            const next = queue.take();
            expect(next === undefined).toBe(waiting.size === 0);
            if (next === undefined) continue;
            expect(waiting.delete(next)).toBe(true);
            taken.push(next);
          } else if (what === 'put back') {
            const back = taken.pop();
            if (back === undefined) continue;
            queue.putBack(back);
            waiting.add(back);
          } else if (what === 'remove all') {
            for (const removed of queue.removeAll(({ owner }) => owner === item.owner))
              expect(waiting.delete(removed)).toBe(true);
            expect([...waiting].some(({ owner }) => owner === item.owner)).toBe(false);
          } else if (first !== undefined && what === 'raise') {
            queue.raise(first);
            expect(first.urgency).toBe('edit');
          } else if (first !== undefined) {
            expect(queue.remove(first)).toBe(waiting.delete(first));
            expect(queue.remove(first)).toBe(false);
          }
          expect(queue.owners).toBe(new Set([...waiting].map(({ owner }) => owner)).size);
          expect(queue.has()).toBe(waiting.size > 0);
        }
      }),
    );
  });
});
