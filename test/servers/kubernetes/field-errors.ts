import type { StatusCause } from './status-errors.js';

/** Errors of fields, in the words of apimachinery (pkg/util/validation/field). */
export function oneOf(value: unknown, supported: readonly string[], field: string): StatusCause[] {
  if (typeof value === 'string' && supported.includes(value)) return [];
  const list = supported.map((one) => JSON.stringify(one)).join(', ');
  const message = `Unsupported value: ${JSON.stringify(value)}: supported values: ${list}`;
  return [{ reason: 'FieldValueNotSupported', message, field }];
}

export function required(field: string, why?: string): StatusCause {
  const message = `Required value${why === undefined ? '' : `: ${why}`}`;
  return { reason: 'FieldValueRequired', message, field };
}

export function wrong(field: string, value: unknown, why: string): StatusCause {
  return {
    reason: 'FieldValueInvalid',
    message: `Invalid value: ${JSON.stringify(value) ?? 'null'}: ${why}`,
    field,
  };
}
