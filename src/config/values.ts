import type { ListenAddress } from './config.js';

/** RFC 1123 label, which the API server requires for a namespace. */
export const NAMESPACE_NAME = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/** Either a parsed value or the problem of the text. Problems do not quote the text. */
export type Parsed<T> = { readonly value: T } | { readonly problem: string };

/** Go's `strconv.ParseBool`. */
export function parseBool(text: string): Parsed<boolean> {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(text)) return { value: true };
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(text)) return { value: false };
  return { problem: 'must be true or false' };
}

/** An integer between two limits, inclusive. */
export function parseCount(text: string, minimum: number, maximum: number): Parsed<number> {
  const value = /^[0-9]+$/.test(text) ? Number(text) : NaN;
  if (value >= minimum && value <= maximum) return { value };
  return { problem: `must be a whole number from ${String(minimum)} to ${String(maximum)}` };
}

const UNITS_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/**
 * A duration of the official Vault client (`parseutil.ParseDurationSecond`): Go's syntax such as
 * `1m30s`, days such as `1d`, and a bare number as seconds.
 *
 * @returns milliseconds, at least 0.
 */
export function parseDurationMs(text: string): Parsed<number> {
  const trimmed = text.trim();
  if (/^[0-9]+$/.test(trimmed)) return { value: Number(trimmed) * 1_000 };
  const parts = [...trimmed.matchAll(/([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h|d)/g)];
  if (parts.length === 0 || parts.map((part) => part[0]).join('') !== trimmed) {
    return { problem: 'must be a duration such as 30s or 1m30s, or a number of seconds' };
  }
  const value = parts.reduce((sum, part) => sum + Number(part[1]) * (UNITS_MS[part[2] ?? ''] ?? NaN), 0);
  return { value };
}

/**
 * A listen address as Go's `net.Listen` takes it: `:8080`, `127.0.0.1:0`, `[::1]:8080`.
 *
 * @returns undefined for `0`, which switches a server off as in controller-runtime.
 */
export function parseAddress(text: string, mayBeOff: boolean): Parsed<ListenAddress | undefined> {
  if (mayBeOff && text === '0') return { value: undefined };
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]]*)):([0-9]{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    return { problem: `must be host:port or :port${mayBeOff ? ', or 0 to switch it off' : ''}` };
  }
  return { value: { host: match[1] ?? match[2] ?? '', port } };
}

export function parseChoice<T extends string>(text: string, choices: readonly T[]): Parsed<T> {
  const value = choices.find((choice) => choice === text);
  return value === undefined ? { problem: `must be one of ${choices.join(', ')}` } : { value };
}

/** Splits at commas; trims blanks and drops empty entries. */
export function splitList(text: string): string[] {
  return text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
}

/** Freezes a configuration deeply. */
export function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}
