import type { KMSClient } from '@aws-sdk/client-kms';

import { WipedBytes } from '../runtime/wiped-bytes.js';

/**
 * Wipes the bytes of each answer once the client has parsed them: they hold the plaintext as base64. The SDK would leave
 * them in unreachable buffers.
 */
export function wipeAnswers(client: KMSClient): void {
  // By the request of one attempt: the context of a cached middleware stack is shared by all requests.
  const answers = new WeakMap<object, WipedBytes>();
  client.middlewareStack.add(
    (next) => async (args) => {
      const bytes = new WipedBytes();
      answers.set(args.request as object, bytes);
      try {
        return await next(args);
      } finally {
        bytes.wipe();
      }
    },
    // Around the step that reads the answer.
    { step: 'deserialize', name: 'wipeAnswer', priority: 'high' },
  );
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      // Our request handler gives the whole body in one buffer.
      const { body } = result.response as { readonly body: Uint8Array };
      answers.get(args.request as object)?.add(body);
      return result;
    },
    { step: 'deserialize', name: 'collectAnswer', priority: 'low' },
  );
}
