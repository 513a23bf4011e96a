import { onEndSignal, pendingSignals } from './early-signals.js';

// Not a static import: that would be loaded and parsed before the signal handlers are installed.
const { runOperator } = await import('./operator.js');
await pendingSignals();
await runOperator(onEndSignal);
