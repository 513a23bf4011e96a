import { copyJson, isRecord, sameJson } from './objects.js';
import { checkList, checkNumber, checkText, type Complaint } from './schema-values.js';

/** A structural schema of a CRD (`apiextensions.k8s.io/v1` JSONSchemaProps), as far as it is enforced. */
export type Schema = Readonly<Record<string, unknown>>;

/** One cause of a refusal; the types are those of apimachinery's `field.ErrorType`. */
export interface SchemaProblem {
  /** As `spec.secrets[0].key`; `<nil>` where the real server names none. */
  readonly field: string;
  readonly type:
    | 'FieldValueRequired'
    | 'FieldValueInvalid'
    | 'FieldValueNotSupported'
    | 'FieldValueDuplicate'
    | 'FieldValueTypeInvalid'
    | 'FieldValueTooLong'
    | 'FieldValueTooMany'
    | 'FieldValueForbidden';
  /** The real server's message, without the field. */
  readonly message: string;
}

const ROOT_FIELDS: readonly string[] = ['apiVersion', 'kind', 'metadata'];

/** Removes unknown fields; `pruned` gets their paths, such as `spec.secrets[0].foo`. */
export function pruneUnknown(schema: Schema, object: unknown): { value: unknown; pruned: string[] } {
  const pruned: string[] = [];
  return { value: prune(schema, object, '', pruned, ROOT_FIELDS), pruned };
}

function prune(
  schema: Schema,
  value: unknown,
  path: string,
  pruned: string[],
  always: readonly string[] = [],
): unknown {
  if (Array.isArray(value)) {
    const { items } = schema;
    return isRecord(items)
      ? value.map((item, index) => prune(items, item, `${path}[${String(index)}]`, pruned))
      : value;
  }
  if (!isRecord(value)) return value;
  const keepsUnknown =
    schema['x-kubernetes-preserve-unknown-fields'] === true || schema.additionalProperties === true;
  const entries: [string, unknown][] = [];
  for (const [key, inner] of Object.entries(value)) {
    const field = at(path, key);
    const known = schemaOfKey(schema, key);
    if (always.includes(key)) entries.push([key, inner]);
    else if (known !== undefined) entries.push([key, prune(known, inner, field, pruned)]);
    else if (keepsUnknown) entries.push([key, inner]);
    else pruned.push(field);
  }
  return Object.fromEntries(entries);
}

/**
 * Fills in defaults, and drops `null` where the schema neither takes it (`nullable`) nor has a default:
 * both as the real server does when it decodes an object and when it reads one from storage.
 */
export function applyDefaults(schema: Schema, object: unknown): unknown {
  return withDefaults(schema, object, ROOT_FIELDS);
}

function withDefaults(schema: Schema, value: unknown, skipped: readonly string[] = []): unknown {
  if (Array.isArray(value)) {
    const { items } = schema;
    return isRecord(items) ? value.map((item) => withDefaults(items, orDefault(items, item))) : value;
  }
  if (!isRecord(value)) return value;
  const properties = isRecord(schema.properties) ? schema.properties : {};
  const filled = new Map<string, unknown>();
  for (const [key, inner] of Object.entries(value)) {
    const known = skipped.includes(key) ? undefined : schemaOfKey(schema, key);
    const next = known === undefined ? inner : orDefault(known, inner);
    const dropped = next === null && Object.hasOwn(properties, key) && known?.nullable !== true;
    if (known === undefined) filled.set(key, inner);
    else if (!dropped) filled.set(key, withDefaults(known, next));
  }
  for (const [key, property] of Object.entries(properties)) {
    if (filled.has(key) || skipped.includes(key) || !isRecord(property)) continue;
    if (property.default !== undefined) {
      filled.set(key, withDefaults(property, copyJson(property.default)));
    }
  }
  return Object.fromEntries(filled);
}

function orDefault(schema: Schema, value: unknown): unknown {
  const takesDefault = value === null && schema.nullable !== true && schema.default !== undefined;
  return takesDefault ? copyJson(schema.default) : value;
}

/** All violations of the schema, except in type metadata and metadata, which the server validates. */
export function validateSchema(schema: Schema, object: unknown): SchemaProblem[] {
  const { properties, ...rest } = schema;
  const own = Object.entries(isRecord(properties) ? properties : {}).filter(
    ([key]) => !ROOT_FIELDS.includes(key),
  );
  const root = { ...rest, properties: Object.fromEntries(own) };
  const problems: SchemaProblem[] = [];
  validate(root, object, '', problems);
  // The real server checks for duplicates in a second pass: their causes come last.
  findDoubles(root, object, '', problems);
  return problems;
}

/** The same for a value that is no whole object, such as a default. */
export function validateValue(schema: Schema, value: unknown, path: string): SchemaProblem[] {
  const problems: SchemaProblem[] = [];
  validate(schema, value, path, problems);
  findDoubles(schema, value, path, problems);
  return problems;
}

function validate(schema: Schema, value: unknown, path: string, problems: SchemaProblem[]): void {
  const complain: Complaint = (type, message, field = path === '' ? '<nil>' : path) => {
    problems.push({ field, type, message });
  };
  if (value === null && (schema.nullable === true || !requiresType(schema))) return;
  const wrong = wrongType(schema, value);
  if (wrong !== undefined) {
    const [wanted, found] = wrong;
    const got = JSON.stringify(found);
    complain(
      'FieldValueTypeInvalid',
      `Invalid value: ${got}: ${path} in body must be of type ${wanted}: ${got}`,
    );
    if (found === 'float64') complain(...notInFormat(schema, path));
    return;
  }
  if (Array.isArray(schema.enum) && !schema.enum.some((allowed) => sameJson(allowed, value))) {
    const supported = schema.enum.map((allowed) => JSON.stringify(textOf(allowed))).join(', ');
    const shown = JSON.stringify(value);
    complain('FieldValueNotSupported', `Unsupported value: ${shown}: supported values: ${supported}`);
  }
  if (typeof value === 'number') {
    if (schema.format === 'int32' && (value > 2_147_483_647 || value < -2_147_483_648)) {
      complain(...notInFormat(schema, path));
    }
    checkNumber(schema, value, path, complain);
  }
  if (typeof value === 'string') checkText(schema, value, path, complain);
  if (Array.isArray(value)) {
    checkList(schema, value, path, complain);
    const { items } = schema;
    if (isRecord(items)) {
      value.forEach((item, index) => {
        validate(items, item, `${path}[${String(index)}]`, problems);
      });
    }
  } else if (isRecord(value)) {
    validateObject(schema, value, path, problems, complain);
  }
}

function notInFormat(schema: Schema, path: string): [SchemaProblem['type'], string, string] {
  const wanted = `${String(schema.type)} with format ${String(schema.format)}`;
  return [
    'FieldValueInvalid',
    `Invalid value: "": Checked value must be of type ${wanted} in ${path}`,
    '<nil>',
  ];
}

function validateObject(
  schema: Schema,
  value: Record<string, unknown>,
  path: string,
  problems: SchemaProblem[],
  complain: Complaint,
): void {
  for (const [key, inner] of Object.entries(value)) {
    const known = schemaOfKey(schema, key);
    if (known !== undefined) validate(known, inner, at(path, key), problems);
  }
  const required = Array.isArray(schema.required) ? (schema.required as string[]) : [];
  for (const key of required) {
    if (!Object.hasOwn(value, key)) complain('FieldValueRequired', 'Required value', at(path, key));
  }
}

function findDoubles(schema: Schema, value: unknown, path: string, problems: SchemaProblem[]): void {
  if (isRecord(value)) {
    for (const [key, inner] of Object.entries(value)) {
      const known = schemaOfKey(schema, key);
      if (known !== undefined) findDoubles(known, inner, at(path, key), problems);
    }
  }
  if (!Array.isArray(value)) return;
  const identity = identityOf(schema);
  const seen = new Set<string>();
  value.forEach((item, index) => {
    const field = `${path}[${String(index)}]`;
    const id = identity?.(item);
    if (id !== undefined && seen.has(id)) {
      problems.push({ field, type: 'FieldValueDuplicate', message: `Duplicate value: ${id}` });
    }
    if (id !== undefined) seen.add(id);
    if (isRecord(schema.items)) findDoubles(schema.items, item, field, problems);
  });
}

/** The unique key of a list item: the whole item of a set, the map keys in a map. */
function identityOf(schema: Schema): ((item: unknown) => string | undefined) | undefined {
  const listType = schema['x-kubernetes-list-type'];
  if (listType === 'set') return canonical;
  const keys = schema['x-kubernetes-list-map-keys'];
  if (listType !== 'map' || !Array.isArray(keys)) return undefined;
  return (item) => {
    if (!isRecord(item)) return undefined;
    const present = (keys as string[]).filter((key) => Object.hasOwn(item, key));
    return canonical(Object.fromEntries(present.map((key) => [key, item[key]])));
  };
}

/** JSON with sorted keys, as Go writes it. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (!isRecord(value)) return JSON.stringify(value) ?? 'null';
  const keys = Object.keys(value).sort();
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join(',')}}`;
}

function schemaOfKey(schema: Schema, key: string): Schema | undefined {
  const { properties, additionalProperties } = schema;
  const known =
    isRecord(properties) && Object.hasOwn(properties, key) ? properties[key] : additionalProperties;
  return isRecord(known) ? known : undefined;
}

function requiresType(schema: Schema): boolean {
  return typeof schema.type === 'string';
}

/** `[expected, actual]` when the value has another type, as in messages of kube-openapi's type validator. */
function wrongType(schema: Schema, value: unknown): [string, string] | undefined {
  const found = typeName(value);
  const { type, format } = schema;
  if (typeof type !== 'string' || type === found || (type === 'number' && found === 'integer'))
    return undefined;
  const numeric = type === 'integer' || type === 'number';
  // With a format, errors about values that are neither strings nor lists name the format.
  if (numeric && typeof format === 'string' && found !== 'string' && found !== 'array' && value !== null) {
    return [format, found === 'number' ? 'float64' : ''];
  }
  return [type, found];
}

function typeName(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  // Numbers beyond int64 are floats to the server.
  if (typeof value === 'number') {
    return Number.isInteger(value) && Math.abs(value) <= 2 ** 63 ? 'integer' : 'number';
  }
  return typeof value;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function at(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}
