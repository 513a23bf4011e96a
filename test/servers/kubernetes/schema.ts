import { isRecord, sameJson } from './objects.js';

/** A structural schema of a CRD (`apiextensions.k8s.io/v1` JSONSchemaProps), as far as it is enforced. */
export type Schema = Readonly<Record<string, unknown>>;

export interface SchemaProblem {
  readonly field: string;
  readonly type:
    | 'FieldValueRequired'
    | 'FieldValueInvalid'
    | 'FieldValueNotSupported'
    | 'FieldValueDuplicate'
    | 'FieldValueTypeInvalid';
  /** In the real server's words, without the field. */
  readonly message: string;
}

const ROOT_FIELDS = ['apiVersion', 'kind', 'metadata'];

/** Removes what the schema does not know; `pruned` names it as `spec.secrets[0].foo`. */
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
    const items = schema.items;
    return isRecord(items)
      ? value.map((item, index) => prune(items, item, `${path}[${String(index)}]`, pruned))
      : value;
  }
  if (!isRecord(value)) return value;
  const properties = isRecord(schema.properties) ? schema.properties : {};
  const additional = schema.additionalProperties;
  const keepsUnknown = schema['x-kubernetes-preserve-unknown-fields'] === true || additional === true;
  const entries: [string, unknown][] = [];
  for (const [key, inner] of Object.entries(value)) {
    const field = path === '' ? key : `${path}.${key}`;
    const known = Object.hasOwn(properties, key) ? properties[key] : undefined;
    if (always.includes(key)) entries.push([key, inner]);
    else if (isRecord(known)) entries.push([key, prune(known, inner, field, pruned)]);
    else if (isRecord(additional)) entries.push([key, prune(additional, inner, field, pruned)]);
    else if (keepsUnknown) entries.push([key, inner]);
    else pruned.push(field);
  }
  return Object.fromEntries(entries);
}

/** Everything that the schema refuses. */
export function validateSchema(schema: Schema, object: unknown): SchemaProblem[] {
  const problems: SchemaProblem[] = [];
  // Type metadata and metadata are the server's own business.
  const { properties, ...rest } = schema;
  const own = Object.fromEntries(
    Object.entries(isRecord(properties) ? properties : {}).filter(([key]) => !ROOT_FIELDS.includes(key)),
  );
  validate({ ...rest, properties: own }, object, '', problems);
  return problems;
}

function validate(schema: Schema, value: unknown, path: string, problems: SchemaProblem[]): void {
  const add = (type: SchemaProblem['type'], message: string): void => {
    problems.push({ field: path === '' ? '<nil>' : path, type, message });
  };
  if (value === null && schema.nullable === true) return;
  if (!hasType(schema, value)) {
    const shown =
      isRecord(value) || Array.isArray(value) ? `"${typeName(value)}"` : JSON.stringify(String(value));
    const wanted = String(schema.type);
    add(
      'FieldValueTypeInvalid',
      `Invalid value: ${shown}: ${path} in body must be of type ${wanted}: "${typeName(value)}"`,
    );
    return;
  }
  if (Array.isArray(schema.enum) && !schema.enum.some((allowed) => sameJson(allowed, value))) {
    const supported = schema.enum.map((allowed) => JSON.stringify(allowed)).join(', ');
    add(
      'FieldValueNotSupported',
      `Unsupported value: ${JSON.stringify(value)}: supported values: ${supported}`,
    );
  }
  if (typeof value === 'number') validateNumber(schema, value, path, add);
  if (typeof value === 'string') validateString(schema, value, path, add);
  if (Array.isArray(value)) validateList(schema, value, path, problems, add);
  else if (isRecord(value)) validateObject(schema, value, path, problems);
}

type Add = (type: SchemaProblem['type'], message: string) => void;

function validateNumber(schema: Schema, value: number, path: string, add: Add): void {
  if (typeof schema.minimum === 'number' && value < schema.minimum) {
    add(
      'FieldValueInvalid',
      `Invalid value: ${String(value)}: ${path} in body should be greater than or equal to ${String(schema.minimum)}`,
    );
  }
  if (typeof schema.maximum === 'number' && value > schema.maximum) {
    add(
      'FieldValueInvalid',
      `Invalid value: ${String(value)}: ${path} in body should be less than or equal to ${String(schema.maximum)}`,
    );
  }
}

function validateString(schema: Schema, value: string, path: string, add: Add): void {
  const length = Array.from(value).length;
  if (typeof schema.minLength === 'number' && length < schema.minLength) {
    add(
      'FieldValueInvalid',
      `Invalid value: ${JSON.stringify(value)}: ${path} in body should be at least ${String(schema.minLength)} chars long`,
    );
  }
  if (typeof schema.maxLength === 'number' && length > schema.maxLength) {
    add('FieldValueInvalid', `Too long: may not be more than ${String(schema.maxLength)} bytes`);
  }
  if (typeof schema.pattern === 'string' && !new RegExp(schema.pattern, 'u').test(value)) {
    add(
      'FieldValueInvalid',
      `Invalid value: ${JSON.stringify(value)}: ${path} in body should match '${schema.pattern}'`,
    );
  }
  if (schema.format === 'date-time' && Number.isNaN(Date.parse(value))) {
    add(
      'FieldValueInvalid',
      `Invalid value: ${JSON.stringify(value)}: ${path} in body must be of type date-time: ${JSON.stringify(value)}`,
    );
  }
}

function validateList(
  schema: Schema,
  value: readonly unknown[],
  path: string,
  problems: SchemaProblem[],
  add: Add,
): void {
  if (typeof schema.minItems === 'number' && value.length < schema.minItems) {
    add(
      'FieldValueInvalid',
      `Invalid value: ${String(value.length)}: ${path} in body should have at least ${String(schema.minItems)} items`,
    );
  }
  if (typeof schema.maxItems === 'number' && value.length > schema.maxItems) {
    add(
      'FieldValueInvalid',
      `Too many: ${String(value.length)}: must have at most ${String(schema.maxItems)} items`,
    );
  }
  const { items } = schema;
  if (isRecord(items))
    value.forEach((item, index) => validate(items, item, `${path}[${String(index)}]`, problems));
  const identity = identityOf(schema);
  if (identity === undefined) return;
  const seen = new Set<string>();
  value.forEach((item, index) => {
    const id = identity(item);
    if (id === undefined) return;
    if (seen.has(id))
      problems.push({
        field: `${path}[${String(index)}]`,
        type: 'FieldValueDuplicate',
        message: `Duplicate value: ${id}`,
      });
    seen.add(id);
  });
}

/** What must be unique in a list: the whole item of a set, the keys of a map's item. */
function identityOf(schema: Schema): ((item: unknown) => string | undefined) | undefined {
  const listType = schema['x-kubernetes-list-type'];
  if (listType === 'set') return (item) => JSON.stringify(item);
  const keys = schema['x-kubernetes-list-map-keys'];
  if (listType !== 'map' || !Array.isArray(keys)) return undefined;
  return (item) =>
    isRecord(item)
      ? JSON.stringify(Object.fromEntries(keys.map((key: string) => [key, item[key]])))
      : undefined;
}

function validateObject(
  schema: Schema,
  value: Record<string, unknown>,
  path: string,
  problems: SchemaProblem[],
): void {
  const at = (key: string): string => (path === '' ? key : `${path}.${key}`);
  for (const key of Array.isArray(schema.required) ? (schema.required as string[]) : []) {
    if (!Object.hasOwn(value, key))
      problems.push({ field: at(key), type: 'FieldValueRequired', message: 'Required value' });
  }
  const properties = isRecord(schema.properties) ? schema.properties : {};
  for (const [key, inner] of Object.entries(value)) {
    const known = Object.hasOwn(properties, key) ? properties[key] : schema.additionalProperties;
    if (isRecord(known)) validate(known, inner, at(key), problems);
  }
}

function hasType(schema: Schema, value: unknown): boolean {
  if (schema['x-kubernetes-int-or-string'] === true)
    return typeof value === 'string' || Number.isInteger(value);
  switch (schema.type) {
    case 'object':
      return isRecord(value);
    case 'array':
      return Array.isArray(value);
    case 'integer':
      return Number.isInteger(value);
    case 'string':
    case 'number':
    case 'boolean':
      return typeof value === schema.type;
    default:
      return true;
  }
}

function typeName(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}
