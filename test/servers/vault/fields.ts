import { badRequest, type VaultCall } from './protocol.js';
import { goJson, objectMembers } from './raw-json.js';

/** A source of request fields. */
export type Fields = Pick<VaultCall, 'body'>;

/** The value of a field as plain JSON; undefined when it was not sent. */
export function field(call: Fields, name: string): unknown {
  const raw = call.body.get(name);
  return raw === undefined ? undefined : (JSON.parse(raw) as unknown);
}

export function has(call: Fields, name: string): boolean {
  return call.body.has(name);
}

/** Text; numbers and booleans are accepted as written. */
export function textField(call: Fields, name: string): string {
  const value = field(call, name);
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return call.body.get(name) ?? '';
  if (typeof value === 'boolean') return value ? '1' : '0';
  if (value === undefined || value === null) return '';
  throw unconvertible(name, 'string', value);
}

/** A boolean, or text that Go's `strconv.ParseBool` accepts; undefined when absent. */
export function boolField(call: Fields, name: string): boolean | undefined {
  const value = field(call, name);
  if (value === undefined) return undefined;
  if (value === null || value === '' || value === false || value === 0) return false;
  if (value === true || typeof value === 'number') return true;
  const text = typeof value === 'string' ? value : '';
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(text)) return true;
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(text)) return false;
  throw badRequest(
    `error converting input for field "${name}": '' cannot parse value as 'bool': strconv.ParseBool: invalid syntax`,
  );
}

/** A whole number; undefined when it was not sent. */
export function intField(call: Fields, name: string): number | undefined {
  const value = field(call, name);
  if (value === undefined) return undefined;
  if (value === null || value === '') return 0;
  const number = Number(value);
  if (typeof value === 'object' || !Number.isInteger(number)) {
    throw badRequest(
      `error converting input for field "${name}": '' cannot parse value as 'int': strconv.ParseInt: invalid syntax`,
    );
  }
  return number;
}

/** Accepts JSON lists and comma-separated text. */
export function listField(call: Fields, name: string): string[] {
  const value = field(call, name);
  if (Array.isArray(value)) return value.map(String).map((entry) => entry.trim());
  if (typeof value === 'number') return [String(value)];
  return typeof value === 'string' && value !== '' ? value.split(',').map((entry) => entry.trim()) : [];
}

/** Members of an object of texts; undefined when it was not sent. */
export function mapField(call: Fields, name: string): Map<string, string> | undefined {
  const raw = call.body.get(name);
  if (raw === undefined || raw === 'null') return undefined;
  if (!raw.startsWith('{')) throw unconvertible(name, 'map[string]interface {}', JSON.parse(raw));
  return new Map(
    [...objectMembers(raw)].map(([key, text]) => {
      const value = JSON.parse(text) as unknown;
      return [key, typeof value === 'string' ? value : text];
    }),
  );
}

/** The members of an object as raw JSON; null when it is null, undefined when it was not sent. */
export function objectField(call: Fields, name: string): Map<string, string> | null | undefined {
  const raw = call.body.get(name);
  if (raw === undefined) return undefined;
  if (raw === 'null') return null;
  if (!raw.startsWith('{')) throw unconvertible(name, 'map[string]interface {}', JSON.parse(raw));
  return objectMembers(raw);
}

/** Seconds, from a number, a bare number in a string, or Go's syntax such as `1h30m`. */
export function secondsField(call: Fields, name: string): number | undefined {
  const value = field(call, name);
  if (value === undefined) return undefined;
  const seconds = parseSeconds(value);
  if (seconds === undefined) {
    throw badRequest(`error converting input for field "${name}": time: invalid duration ${goJson(value)}`);
  }
  if (seconds < 0) {
    throw badRequest(
      `error converting input for field "${name}": cannot provide negative value '${String(seconds)}'`,
    );
  }
  return seconds;
}

/** Undefined when it is not a duration. */
export function parseSeconds(value: unknown): number | undefined {
  if (value === null || value === '') return 0;
  if (typeof value === 'number') return Math.trunc(value);
  if (typeof value !== 'string') return undefined;
  if (/^-?\d+$/.test(value)) return Number(value);
  if (/^\d+d$/.test(value)) return Number(value.slice(0, -1)) * 86_400;
  const sign = value.startsWith('-') ? -1 : 1;
  const text = value.replace(/^[-+]/, '');
  const units: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3600 };
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
  if (parts.length === 0 || parts.map((part) => part[0]).join('') !== text) return undefined;
  const seconds = parts.reduce((sum, part) => sum + Number(part[1]) * (units[part[2] ?? ''] ?? 0), 0);
  return sign * Math.trunc(seconds);
}

/** As Go writes a duration: `1h30m0s`. */
export function goDuration(seconds: number): string {
  const [hours, minutes, rest] = [
    Math.floor(seconds / 3600),
    Math.floor((seconds % 3600) / 60),
    seconds % 60,
  ];
  if (hours > 0) return `${String(hours)}h${String(minutes)}m${String(rest)}s`;
  return minutes > 0 ? `${String(minutes)}m${String(rest)}s` : `${String(rest)}s`;
}

function unconvertible(name: string, wanted: string, value: unknown): Error {
  const got =
    typeof value === 'number'
      ? 'json.Number'
      : Array.isArray(value)
        ? '[]interface {}'
        : typeof value === 'object'
          ? 'map[string]interface {}'
          : typeof value === 'boolean'
            ? 'bool'
            : 'string';
  return badRequest(
    `error converting input for field "${name}": '' expected type '${wanted}', got unconvertible type '${got}'`,
  );
}
