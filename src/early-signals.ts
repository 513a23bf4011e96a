/**
 * The only content of the entry files, because loading and parsing the program takes a while: process 1 of a container
 * has no default action for SIGTERM, so a signal before the handler exists would be lost, and the container would only
 * be killed at the end of its grace period.
 */
const leave = (): void => {
  process.exit(0);
};
process.on('SIGTERM', leave);
process.on('SIGINT', leave);

/** Called when there is something to shut down. A second signal ends the process immediately, with exit code 1. */
export type OnEndSignal = (stop: () => Promise<number>) => void;

export const onEndSignal: OnEndSignal = (stop) => {
  let ending = false;
  const end = (): void => {
    // A second signal asks for an immediate end.
    if (ending) process.exit(1);
    ending = true;
    void stop().then((code) => process.exit(code));
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, end);
    process.off(signal, leave);
  }
};

/**
 * Lets Node deliver a signal that arrived while modules were loaded. Node delivers signals between iterations of its
 * event loop, and since version 22 there is none between an import and the code after it. The first iteration may have
 * polled already, so two are needed.
 */
export async function pendingSignals(): Promise<void> {
  for (let round = 0; round < 2; round += 1) await new Promise((resolve) => setImmediate(resolve));
}
