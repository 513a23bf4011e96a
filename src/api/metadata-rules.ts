import { printable } from './printable.js';
import { vaultSeconds } from './vault-duration.js';

/** Takes what is wrong with a field; the check of a spec does. */
export interface ProblemSink {
  add(field: string, problem: string): void;
  /** The value as an object; reports it and gives undefined when it is none. */
  record(field: string, value: unknown): Record<string, unknown> | undefined;
}

/**
 * Limits of Vault and OpenBao for `custom_metadata`, in bytes of UTF-8 (vault-plugin-secrets-kv, path_metadata.go,
 * validateCustomMetadata).
 */
export const CUSTOM_METADATA_LIMITS = { keys: 64, keyBytes: 128, valueBytes: 512 } as const;

/** `max_versions` is a uint32 there; a larger or negative number would wrap around (tried). */
const MAX_VERSIONS = 2 ** 32 - 1;

/** Go's `unicode.IsPrint`: letters, marks, numbers, punctuation, symbols and the ASCII space. */
const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]*$/u;

const FIELD = 'spec.kvSettings.metadata';

/** Checks `spec.kvSettings.metadata` and `deletion` as Vault would; what is absent or null counts as not given. */
export function checkMetadata(check: ProblemSink, settings: Readonly<Record<string, unknown>>): void {
  const { metadata, deletion } = settings;
  if (isGiven(deletion) && deletion !== 'all' && deletion !== 'latest') {
    check.add('spec.kvSettings.deletion', 'must be all or latest');
  }
  if (!isGiven(metadata)) return;
  const fields = check.record(FIELD, metadata);
  if (fields === undefined) return;
  const { maxVersions, deleteVersionAfter, casRequired, customMetadata } = fields;
  if (isGiven(maxVersions) && !isCount(maxVersions)) {
    check.add(`${FIELD}.maxVersions`, `must be a whole number from 0 to ${String(MAX_VERSIONS)}`);
  }
  if (isGiven(deleteVersionAfter)) checkDuration(check, deleteVersionAfter);
  if (isGiven(casRequired) && typeof casRequired !== 'boolean') {
    check.add(`${FIELD}.casRequired`, 'must be true or false');
  }
  if (isGiven(customMetadata)) checkCustomMetadata(check, customMetadata);
}

function checkDuration(check: ProblemSink, value: unknown): void {
  const field = `${FIELD}.deleteVersionAfter`;
  const seconds = typeof value === 'string' ? vaultSeconds(value) : undefined;
  if (seconds === undefined) {
    check.add(field, 'must be a duration as Vault takes it, such as 720h, 30d or 90m; 0s for never');
  } else if (seconds < 0) {
    check.add(field, 'must not be negative');
  } else if (seconds === 0 && /[1-9]/.test(String(value))) {
    check.add(field, 'must be at least one second, or 0s for never');
  }
}

function checkCustomMetadata(check: ProblemSink, value: unknown): void {
  const field = `${FIELD}.customMetadata`;
  const pairs = check.record(field, value);
  if (pairs === undefined) return;
  const entries = Object.entries(pairs);
  const { keys, keyBytes, valueBytes } = CUSTOM_METADATA_LIMITS;
  if (entries.length > keys) {
    check.add(field, `has ${String(entries.length)} keys; Vault stores at most ${String(keys)}`);
    return;
  }
  for (const [key, text] of entries) {
    const named = `key ${JSON.stringify(printable(key, 60))}`;
    if (key === '') check.add(field, 'has an empty key');
    if (Buffer.byteLength(key) > keyBytes) {
      check.add(field, `${named} is longer than ${String(keyBytes)} bytes`);
    }
    if (!PRINTABLE.test(key)) check.add(field, `${named} has characters that cannot be printed`);
    if (typeof text !== 'string') {
      check.add(field, `the value of ${named} must be a string`);
      continue;
    }
    if (text === '') check.add(field, `the value of ${named} is empty, which Vault does not store`);
    if (Buffer.byteLength(text) > valueBytes) {
      check.add(field, `the value of ${named} is longer than ${String(valueBytes)} bytes`);
    }
    if (!PRINTABLE.test(text)) {
      check.add(field, `the value of ${named} has characters that cannot be printed`);
    }
  }
}

function isCount(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_VERSIONS;
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}
