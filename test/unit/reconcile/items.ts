import type { EngineVersion } from '../../../src/api/resources.js';
import { FakeKms } from '../../support/fake-kms.js';

interface Item {
  readonly key: string;
  readonly encryptedSecret: string;
}

export const ENGINES: readonly EngineVersion[] = ['v1', 'v2'];

/** An item that decrypts to `value`. */
export function item(key: string, value: string, context: Readonly<Record<string, string>> = {}): Item {
  return { key, encryptedSecret: FakeKms.encrypt(value, context) };
}

/** An item that KMS refuses, because its context is another one. */
export function bad(key: string): Item {
  return item(key, 'x', { wrong: 'context' });
}

/** The path of the resource `x` on an engine. */
export function pathFor(engineVersion: EngineVersion): string {
  return engineVersion === 'v1' ? 'kv/x' : 'secret/data/x';
}
