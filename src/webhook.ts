import { onEndSignal, pendingSignals } from './early-signals.js';

// Not a static import: that would be loaded and parsed before the signal handlers are installed.
const { runWebhook } = await import('./validating-webhook.js');
await pendingSignals();
await runWebhook(onEndSignal);
