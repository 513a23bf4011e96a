import type { Schema, SchemaProblem } from './schema.js';

/** Takes one problem; without a field it is that of the value being checked. */
export type Complaint = (type: SchemaProblem['type'], message: string, field?: string) => void;

const TIME = /^(\d{2}):(\d{2}):(\d{2})(\.\d+)?(z|[+-]\d{2}:\d{2})$/;

/** The formats of text that are checked, as kube-openapi's `strfmt` checks them. */
const TEXT_FORMATS: Readonly<Record<string, (text: string) => boolean>> = {
  date: isDate,
  'date-time': isDateTime,
  byte: (text) => /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text),
  uuid: (text) => /^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$/i.test(text),
};
const OTHER_FORMATS: readonly string[] = ['int32', 'int64', 'float', 'double', 'password'];

/** Tells the formats that are checked here from those that would be taken as they come. */
export function checksFormat(format: string): boolean {
  return Object.hasOwn(TEXT_FORMATS, format) || OTHER_FORMATS.includes(format);
}

export function checkNumber(schema: Schema, value: number, path: string, complain: Complaint): void {
  const { minimum, maximum, multipleOf } = schema;
  const invalid = (why: string): void => {
    complain('FieldValueInvalid', `Invalid value: ${String(value)}: ${path} in body should be ${why}`);
  };
  if (typeof minimum === 'number') {
    const exclusive = schema.exclusiveMinimum === true;
    if (value < minimum || (exclusive && value === minimum)) {
      invalid(`greater than ${exclusive ? '' : 'or equal to '}${String(minimum)}`);
    }
  }
  if (typeof maximum === 'number') {
    const exclusive = schema.exclusiveMaximum === true;
    if (value > maximum || (exclusive && value === maximum)) {
      invalid(`less than ${exclusive ? '' : 'or equal to '}${String(maximum)}`);
    }
  }
  if (typeof multipleOf === 'number' && value % multipleOf !== 0) {
    invalid(`a multiple of ${String(multipleOf)}`);
  }
}

export function checkText(schema: Schema, value: string, path: string, complain: Complaint): void {
  const shown = JSON.stringify(value);
  const { minLength, maxLength, pattern, format } = schema;
  const length = Array.from(value).length;
  // The real server tells the first of these only.
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
  checkSize(value.length, schema.minItems, schema.maxItems, 'items', path, complain);
}

export function checkObjectSize(
  schema: Schema,
  value: Readonly<Record<string, unknown>>,
  path: string,
  complain: Complaint,
): void {
  const size = Object.keys(value).length;
  checkSize(size, schema.minProperties, schema.maxProperties, 'properties', path, complain);
}

function checkSize(
  size: number,
  least: unknown,
  most: unknown,
  what: 'items' | 'properties',
  path: string,
  complain: Complaint,
): void {
  if (typeof least === 'number' && size < least) {
    const why = `${path} in body should have at least ${String(least)} ${what}`;
    complain('FieldValueInvalid', `Invalid value: ${String(size)}: ${why}`);
  }
  if (typeof most === 'number' && size > most) {
    // The real server says "items" of properties, too.
    complain('FieldValueTooMany', `Too many: ${String(size)}: must have at most ${String(most)} items`);
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
