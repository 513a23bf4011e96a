import { onEndSignal, pendingSignals } from './early-signals.js';

// Loaded by itself, and not as a static import, which would be read and parsed before the handlers stand.
const { runOperator } = await import('./operator.js');
await pendingSignals();
await runOperator(onEndSignal);
