import type { Context } from './ciphertext.js';
import { KmsFault, validation } from './kms-keys.js';

/** The members of a request. */
export type Input = Record<string, unknown>;

const ALGORITHMS = ['SYMMETRIC_DEFAULT', 'RSAES_OAEP_SHA_1', 'RSAES_OAEP_SHA_256', 'SM2PKE'];
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const MAX_GRANT_TOKENS = 10;

export function expectMembers(input: Input, known: readonly string[]): void {
  const unknown = Object.keys(input).find((member) => !known.includes(member));
  if (unknown !== undefined) throw new KmsFault('SerializationException', `Unknown member ${unknown}`);
}

export function blobOf(member: string, value: unknown, maxBytes: number): Buffer {
  if (typeof value !== 'string') throw validation(member, 'Member must not be null');
  if (!BASE64.test(value)) throw new KmsFault('SerializationException', '');
  const bytes = Buffer.from(value, 'base64');
  if (bytes.length < 1) throw validation(member, 'Member must have length greater than or equal to 1');
  if (bytes.length > maxBytes)
    throw validation(member, `Member must have length less than or equal to ${String(maxBytes)}`);
  return bytes;
}

export function contextOf(input: Input, member = 'EncryptionContext'): Context {
  const context = input[member] ?? {};
  if (typeof context !== 'object' || context === null || Array.isArray(context))
    throw new KmsFault('SerializationException', '');
  if (Object.values(context).some((value) => typeof value !== 'string'))
    throw new KmsFault('SerializationException', '');
  return context as Context;
}

/**
 * All keys here are symmetric.
 *
 * @throws KmsFault InvalidKeyUsageException for the algorithm of an asymmetric key.
 */
export function expectSymmetric(input: Input, member = 'EncryptionAlgorithm'): void {
  const algorithm = input[member] ?? 'SYMMETRIC_DEFAULT';
  if (typeof algorithm !== 'string' || !ALGORITHMS.includes(algorithm)) {
    const name = member.charAt(0).toLowerCase() + member.slice(1);
    throw validation(name, `Member must satisfy enum value set: [${ALGORITHMS.join(', ')}]`);
  }
  if (algorithm !== 'SYMMETRIC_DEFAULT')
    throw new KmsFault('InvalidKeyUsageException', `${algorithm} is not valid for a SYMMETRIC_DEFAULT key.`);
}

/** No grants are made here, so no token of one is valid. */
export function expectNoGrants({ GrantTokens: tokens = [] }: Input): void {
  if (!Array.isArray(tokens) || tokens.some((token) => typeof token !== 'string'))
    throw new KmsFault('SerializationException', '');
  if (tokens.length > MAX_GRANT_TOKENS)
    throw validation('grantTokens', 'Member must have length less than or equal to 10');
  if (tokens.length > 0) throw new KmsFault('InvalidGrantTokenException', '');
}

export interface DryRun {
  readonly isDry: boolean;
  /** Only permissions and keys are checked. */
  readonly ignoresCiphertext: boolean;
}

export function dryRunOf(input: Input): DryRun {
  const { DryRun: dry = false, DryRunModifiers: modifiers = [] } = input;
  if (typeof dry !== 'boolean' || !Array.isArray(modifiers)) throw new KmsFault('SerializationException', '');
  if (modifiers.some((modifier) => modifier !== 'IGNORE_CIPHERTEXT'))
    throw validation('dryRunModifiers', 'Member must satisfy enum value set: [IGNORE_CIPHERTEXT]');
  if (modifiers.length > 0 && !dry)
    throw new KmsFault('ValidationException', 'DryRunModifiers can only be used when DryRun is true.');
  return { isDry: dry, ignoresCiphertext: modifiers.length > 0 };
}

/** A dry run that would have succeeded fails with an error of its own. */
export function endDryRun({ isDry }: DryRun): void {
  if (!isDry) return;
  throw new KmsFault(
    'DryRunOperationException',
    'The request would have succeeded, but the DryRun option is set.',
  );
}
