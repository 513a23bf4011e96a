import { randomUUID } from 'node:crypto';

import { objectMembers } from './raw-members.js';

/** A refusal, answered as `{"errors": […]}`. */
export class VaultFault extends Error {
  constructor(
    readonly status: number,
    readonly errors: readonly string[],
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(errors.join('; '));
  }
}

/** What a handler answers; texts in `data` and `auth` are raw JSON. */
export interface VaultAnswer {
  readonly status: number;
  /** Raw JSON of the whole body, instead of the envelope. */
  readonly raw?: string;
  readonly data?: string;
  readonly auth?: string;
  readonly warnings?: readonly string[];
  readonly leaseDuration?: number;
}

export const NO_CONTENT: VaultAnswer = { status: 204 };
export const NOT_FOUND = new VaultFault(404, []);

export type Operation = 'read' | 'list' | 'create' | 'update' | 'patch' | 'delete';

/** One request, as the mounts see it. */
export interface VaultCall {
  readonly operation: Operation;
  /** Below the mount. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Top-level members of the body as raw JSON. */
  readonly body: ReadonlyMap<string, string>;
}

/** Parses a body as Vault does: any JSON object, empty for none. */
export function parseBody(text: string): ReadonlyMap<string, string> {
  if (text.trim() === '') return new Map();
  try {
    return objectMembers(text);
  } catch {
    throw new VaultFault(400, ['error parsing JSON']);
  }
}

export function field(call: Pick<VaultCall, 'body'>, name: string): unknown {
  const raw = call.body.get(name);
  return raw === undefined ? undefined : (JSON.parse(raw) as unknown);
}

export function textField(call: Pick<VaultCall, 'body'>, name: string): string {
  const value = field(call, name);
  return typeof value === 'string' ? value : '';
}

/** Lists come as JSON lists or comma-separated. */
export function listField(call: Pick<VaultCall, 'body'>, name: string): string[] {
  const value = field(call, name);
  if (Array.isArray(value)) return value.map(String);
  return typeof value === 'string' && value !== '' ? value.split(',').map((entry) => entry.trim()) : [];
}

/** Seconds, from a number, a bare number in a string, or Go's syntax such as `1h30m`. */
export function secondsField(call: Pick<VaultCall, 'body'>, name: string): number {
  const value = field(call, name);
  if (typeof value === 'number') return value;
  if (typeof value !== 'string' || value === '') return 0;
  if (/^\d+$/.test(value)) return Number(value);
  const units: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400 };
  const parts = [...value.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)];
  if (parts.map((part) => part[0]).join('') !== value)
    throw new VaultFault(400, [`time: invalid duration "${value}"`]);
  return parts.reduce((sum, part) => sum + Number(part[1]) * (units[part[2] ?? ''] ?? 0), 0);
}

/** The envelope of every answer with a body, escaped as Go escapes JSON. */
export function envelope(answer: VaultAnswer): string {
  if (answer.raw !== undefined) return goEscape(answer.raw);
  const warnings = answer.warnings === undefined ? 'null' : JSON.stringify(answer.warnings);
  return goEscape(
    `{"request_id":"${randomUUID()}","lease_id":"","renewable":false,` +
      `"lease_duration":${String(answer.leaseDuration ?? 0)},"data":${answer.data ?? 'null'},` +
      `"wrap_info":null,"warnings":${warnings},"auth":${answer.auth ?? 'null'},"mount_type":""}\n`,
  );
}

/** `encoding/json` escapes these five characters inside strings; outside they do not occur. */
export function goEscape(json: string): string {
  return json.replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
