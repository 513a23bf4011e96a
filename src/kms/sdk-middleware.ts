import type { KMSClient } from '@aws-sdk/client-kms';

/**
 * Steps that do nothing here: one logs, and there is no logger; the other protects functions of AWS Lambda that call
 * themselves.
 */
const IDLE_STEPS: readonly string[] = ['loggerMiddleware', 'recursionDetectionMiddleware'];

/**
 * Takes steps out of the SDK's middleware stack that cost time at each request and do nothing for a client with a
 * single attempt: the retry loop (the caller decides when to try again) and {@link IDLE_STEPS}. The retry step keeps
 * its name, because others are placed relative to it.
 */
export function removeIdleMiddleware({ middlewareStack: stack }: KMSClient): void {
  for (const step of IDLE_STEPS) stack.remove(step);
  stack.add((next) => next, {
    name: 'retryMiddleware',
    step: 'finalizeRequest',
    priority: 'high',
    override: true,
  });
}
