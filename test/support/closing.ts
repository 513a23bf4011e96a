interface Closing {
  close(): Promise<unknown> | void;
}

const cleanups: (() => Promise<unknown> | void)[] = [];

/** Closes it when {@link closeAll} is called, also after a test that failed. */
export function closing<T extends Closing>(thing: T): T {
  cleanups.push(() => thing.close());
  return thing;
}

/** Something else to do when {@link closeAll} is called. */
export function onClose(cleanup: () => Promise<unknown> | void): void {
  cleanups.push(cleanup);
}

/** Closes what {@link closing} got, the last one first: for `afterEach`. */
export async function closeAll(): Promise<void> {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
}
