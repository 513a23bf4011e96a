import { onEndSignal, pendingSignals } from './early-signals.js';

// Loaded by itself, and not as a static import, which would be read and parsed before the handlers stand.
const { runWebhook } = await import('./validating-webhook.js');
await pendingSignals();
await runWebhook(onEndSignal);
