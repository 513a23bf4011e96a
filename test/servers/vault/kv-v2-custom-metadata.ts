import { mapField } from './fields.js';
import { badRequest, type VaultCall } from './protocol.js';
import { goJson } from './raw-json.js';

const PREFIX = 'custom_metadata validation failed';
/** Go's `unicode.IsPrint`. */
const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]*$/u;

/** The field `custom_metadata` of a request, checked as Vault does; undefined when it was not sent, null when empty. */
export function customMetadata(call: VaultCall): ReadonlyMap<string, string> | null | undefined {
  const raw = call.body.get('custom_metadata');
  if (raw === undefined) return undefined;
  const pairs = mapField(call, 'custom_metadata') ?? new Map<string, string>();
  const problems = pairs.size > 64 ? [tooMany(pairs.size)] : [...pairs].flatMap(problemsOf);
  if (problems.length > 0) throw badRequest(multierror(problems));
  return pairs.size === 0 ? null : pairs;
}

function tooMany(count: number): string {
  return `payload must contain at most 64 keys, provided ${String(count)}`;
}

function problemsOf([key, value]: readonly [string, string]): string[] {
  const [keyBytes, valueBytes] = [Buffer.byteLength(key), Buffer.byteLength(value)];
  const name = goJson(key);
  return [
    ...(keyBytes === 0 || keyBytes > 128
      ? [`length of key ${name} is ${String(keyBytes)} but must be 0 < len(key) <= 128`]
      : []),
    ...(valueBytes === 0 || valueBytes > 512
      ? [`length of value for key ${name} is ${String(valueBytes)} but must be 0 < len(value) <= 512`]
      : []),
    ...(PRINTABLE.test(key) ? [] : [`key ${name} (${key}) contains unprintable characters`]),
    ...(PRINTABLE.test(value) ? [] : [`value for key ${name} contains unprintable characters`]),
  ];
}

/** As hashicorp/go-multierror writes a list. */
function multierror(problems: readonly string[]): string {
  const title = problems.length === 1 ? '1 error' : `${String(problems.length)} errors`;
  return `${title} occurred:\n\t* ${problems.map((text) => `${PREFIX}: ${text}`).join('\n\t* ')}\n\n`;
}
