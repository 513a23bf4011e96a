import type { Schema, SchemaProblem } from './schema.js';

/** Reports one problem; the field defaults to that of the checked value. */
export type Complaint = (type: SchemaProblem['type'], message: string, field?: string) => void;

const TIME = /^(\d{2}):(\d{2}):(\d{2})(\.\d+)?(z|[+-]\d{2}:\d{2})$/;

/** The formats of text that are checked, as kube-openapi's `strfmt` checks them. */
const TEXT_FORMATS: Readonly<Record<string, (text: string) => boolean>> = {
  'date-time': isDateTime,
};
const OTHER_FORMATS: readonly string[] = ['int32', 'int64'];

/** Whether a format is checked here. */
export function checksFormat(format: string): boolean {
  return Object.hasOwn(TEXT_FORMATS, format) || OTHER_FORMATS.includes(format);
}

export function checkNumber(schema: Schema, value: number, path: string, complain: Complaint): void {
  const { minimum, maximum } = schema;
  const invalid = (why: string): void => {
    complain('FieldValueInvalid', `Invalid value: ${String(value)}: ${path} in body should be ${why}`);
  };
  if (typeof minimum === 'number' && value < minimum) invalid(`greater than or equal to ${String(minimum)}`);
  if (typeof maximum === 'number' && value > maximum) invalid(`less than or equal to ${String(maximum)}`);
}

export function checkText(schema: Schema, value: string, path: string, complain: Complaint): void {
  const shown = JSON.stringify(value);
  const { minLength, maxLength, pattern, format } = schema;
  const length = Array.from(value).length;
  // The real server reports only the first of these.
  if (typeof maxLength === 'number' && length > maxLength) {
    complain('FieldValueTooLong', `Too long: may not be more than ${String(maxLength)} bytes`);
  } else if (typeof minLength === 'number' && length < minLength) {
    const why = `should be at least ${String(minLength)} chars long`;
    complain('FieldValueInvalid', `Invalid value: ${shown}: ${path} in body ${why}`);
  } else if (typeof pattern === 'string' && !new RegExp(pattern, 'u').test(value)) {
    complain('FieldValueInvalid', `Invalid value: ${shown}: ${path} in body should match '${pattern}'`);
  }
  const check =
    typeof format === 'string' && Object.hasOwn(TEXT_FORMATS, format) ? TEXT_FORMATS[format] : undefined;
  if (check !== undefined && !check(value)) {
    const why = `must be of type ${String(format)}: ${shown}`;
    complain('FieldValueTypeInvalid', `Invalid value: ${shown}: ${path} in body ${why}`);
  }
}

export function checkList(
  schema: Schema,
  value: readonly unknown[],
  path: string,
  complain: Complaint,
): void {
  const { minItems, maxItems } = schema;
  const size = value.length;
  if (typeof minItems === 'number' && size < minItems) {
    const why = `${path} in body should have at least ${String(minItems)} items`;
    complain('FieldValueInvalid', `Invalid value: ${String(size)}: ${why}`);
  }
  if (typeof maxItems === 'number' && size > maxItems) {
    complain('FieldValueTooMany', `Too many: ${String(size)}: must have at most ${String(maxItems)} items`);
  }
}

/** Date, `T`, time with seconds and zone; a leap second is refused. */
function isDateTime(text: string): boolean {
  const [date = '', time = '', ...rest] = text.toLowerCase().split('t');
  const parts = TIME.exec(time);
  if (rest.length > 0 || parts === null || !isDate(date)) return false;
  return Number(parts[1]) <= 23 && Number(parts[2]) <= 59 && Number(parts[3]) <= 59;
}

function isDate(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false;
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
}
