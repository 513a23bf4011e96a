import type { KvReading, KvSecret } from '../vault/kv-store.js';
import { sameData } from '../vault/secret-data.js';

/** A KMS quota can delay a decryption, and v1 has no check-and-set that detects changes meanwhile. */
const MAX_READING_AGE_MS = 2_000;

/** The same reading, or a new one for v1 after a long decryption; on v2 check-and-set tells. */
export async function freshReading(
  kv: KvSecret,
  reading: KvReading,
  ageMs: number,
  signal?: AbortSignal,
): Promise<KvReading> {
  if (kv.engine !== 'v1' || ageMs <= MAX_READING_AGE_MS) return reading;
  const again = await kv.read(signal);
  return sameReading(again, reading) ? reading : again;
}

function sameReading(a: KvReading, b: KvReading): boolean {
  return a.state === 'live' && b.state === 'live' ? sameData(a.data, b.data) : a.state === b.state;
}
