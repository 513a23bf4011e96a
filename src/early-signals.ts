/**
 * All that the entry files hold, because the program behind them takes a while to be read and parsed: process 1 of
 * a container has no default action for SIGTERM, so one that comes before there is a handler would be lost, and
 * the container be killed only at the end of its grace period.
 */
const leave = (): void => {
  process.exit(0);
};
process.on('SIGTERM', leave);
process.on('SIGINT', leave);

/** From now on there is something to bring to an end. A second signal ends the process at once, with 1. */
export type OnEndSignal = (stop: () => Promise<number>) => void;

export const onEndSignal: OnEndSignal = (stop) => {
  let ending = false;
  const end = (): void => {
    // A second signal: somebody is in a hurry.
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
 * Lets a signal be taken that came while modules were read and evaluated. Node takes signals between two rounds of
 * its event loop, and from version 22 on there is none between an import and what follows it. The first round may
 * have collected its events before: the second one asks anew.
 */
export async function pendingSignals(): Promise<void> {
  for (let round = 0; round < 2; round += 1) await new Promise((resolve) => setImmediate(resolve));
}
