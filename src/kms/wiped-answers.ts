import type { KMSClient } from '@aws-sdk/client-kms';

import { WipedBytes } from '../runtime/wiped-bytes.js';

/** What a request handler of the SDK gives for a body on Node. */
type Body = AsyncIterable<Uint8Array> | Uint8Array | undefined;

/**
 * Lets the client wipe the bytes of each answer once it has read them: they hold the plaintext as base64. The
 * SDK would leave them in buffers that nobody else can reach.
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
      const response = result.response as { body?: Body };
      response.body = await collect(response.body, answers.get(args.request as object));
      return result;
    },
    { step: 'deserialize', name: 'collectAnswer', priority: 'low' },
  );
}

/** The body in one piece, which the SDK reads without a copy. */
async function collect(body: Body, bytes: WipedBytes | undefined): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  if (body instanceof Uint8Array) parts.push(body);
  else {
    for await (const part of body ?? []) {
      bytes?.add(part);
      parts.push(part);
    }
  }
  const [only] = parts;
  const whole = parts.length === 1 && only !== undefined ? only : Buffer.concat(parts);
  bytes?.add(whole);
  return whole;
}
