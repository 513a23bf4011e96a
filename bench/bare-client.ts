import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent } from 'node:http';

import { DecryptCommand, KMSClient } from '@aws-sdk/client-kms';

import { seal } from '../test/servers/kms/ciphertext.js';
import { DEMO_KEY_ID, DEMO_KEY_MATERIAL } from '../test/servers/kms/demo-key.js';

/**
 * How many decryptions a second the AWS SDK alone reaches on this machine, in a process of its own: what is
 * beyond that cannot be asked of the operator.
 *
 * @param program the bundle that runs {@link runBareClient} when it is given the argument `sdk`.
 */
export async function rateOfBareClient(
  program: string,
  env: Readonly<Record<string, string>>,
  { requests, concurrency }: { readonly requests: number; readonly concurrency: number },
): Promise<number> {
  const child = spawn(process.execPath, [program, 'sdk', String(requests), String(concurrency)], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`the bare client ended with ${String(code)}`);
  return Number(output);
}

/** Prints decryptions per second. */
export async function runBareClient(requests: number, concurrency: number): Promise<void> {
  const client = new KMSClient({
    maxAttempts: 1,
    cacheMiddleware: true,
    requestHandler: { httpAgent: new Agent({ keepAlive: true, maxSockets: concurrency }) },
  });
  const ciphertexts = Array.from({ length: requests }, (_, index) =>
    seal(DEMO_KEY_ID, DEMO_KEY_MATERIAL, Buffer.from(`value ${String(index)}`), {}),
  );
  const begun = performance.now();
  const worker = async (): Promise<void> => {
    for (let next = ciphertexts.pop(); next !== undefined; next = ciphertexts.pop())
      await client.send(new DecryptCommand({ CiphertextBlob: next }));
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  process.stdout.write(String((requests * 1_000) / (performance.now() - begun)));
  client.destroy();
}
