import { describe, expect, it } from '@jest/globals';

import { settled } from '../../support/fake-clock.js';
import { key, QueueFixture } from './queue-fixture.js';

describe('a key that may not be processed yet', () => {
  it('waits, and is processed once when the queue wakes', async () => {
    const ready = new Set<string>();
    const fixture = new QueueFixture(2, ({ name }) => ready.has(name));
    fixture.queue.start(fixture.process);
    fixture.queue.add(key('a'), 'resync');
    fixture.queue.add(key('b'), 'resync');
    fixture.queue.add(key('a'), 'edit');
    await settled();
    expect(fixture.order).toEqual([]);
    expect(fixture.queue.size).toBe(2);
    ready.add('a');
    fixture.queue.wake();
    await settled();
    expect(fixture.order).toEqual(['a']);
    ready.add('b');
    fixture.queue.wake();
    fixture.queue.wake();
    await settled();
    expect(fixture.order).toEqual(['a', 'b']);
    expect(fixture.queue.size).toBe(0);
  });

  it('delays no other key', async () => {
    const fixture = new QueueFixture(1, ({ name }) => name !== 'held');
    fixture.queue.start(fixture.process);
    fixture.queue.add(key('held'), 'edit');
    fixture.queue.add(key('a'), 'resync');
    await settled();
    expect(fixture.order).toEqual(['a']);
  });

  it('keeps the priority of an edit', async () => {
    let open = false;
    const fixture = new QueueFixture(1, () => open);
    fixture.queue.start(fixture.process);
    fixture.queue.add(key('resync'), 'resync');
    fixture.queue.add(key('edit'), 'resync');
    fixture.queue.add(key('edit'), 'edit');
    await settled();
    open = true;
    fixture.queue.wake();
    await settled();
    expect(fixture.order[0]).toBe('edit');
  });

  it('can be forgotten, and does not delay the stop', async () => {
    const fixture = new QueueFixture(1, () => false);
    fixture.queue.start(fixture.process);
    fixture.queue.add(key('a'), 'edit');
    fixture.queue.add(key('b'), 'edit');
    fixture.queue.forget(key('a'));
    expect(fixture.queue.size).toBe(1);
    await fixture.queue.stop();
    expect(fixture.queue.size).toBe(0);
  });
});
