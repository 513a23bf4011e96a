import { parseJsonPath } from './json-path.js';
import { isRecord } from './objects.js';
import { type Schema, type SchemaProblem, pruneUnknown, validateValue } from './schema.js';
import { checksFormat } from './schema-values.js';

/** The keywords that this server enforces; a CRD with any other keyword is refused. */
const KEYWORDS: readonly string[] = [
  'additionalProperties',
  'default',
  'description',
  'enum',
  'format',
  'items',
  'maxItems',
  'maxLength',
  'maximum',
  'minItems',
  'minLength',
  'minimum',
  'nullable',
  'pattern',
  'properties',
  'required',
  'type',
  'x-kubernetes-list-map-keys',
  'x-kubernetes-list-type',
  'x-kubernetes-preserve-unknown-fields',
];
const TYPES = ['array', 'boolean', 'integer', 'number', 'object', 'string'];
const LIST_TYPES = ['atomic', 'map', 'set'];
const COLUMN_TYPES = ['integer', 'number', 'string', 'boolean', 'date'];

type Place = 'root' | 'object field' | 'array item';

/**
 * Refuses a CRD's schema that is not structural, as `apiextensions.k8s.io/v1` does, and beyond that what
 * this server would not enforce: a rule that is stored and never applied makes tests lie.
 *
 * @param field of the schema, such as `spec.versions[0].schema.openAPIV3Schema`.
 */
export function validateStructural(schema: Schema, field: string): SchemaProblem[] {
  const check = new StructureCheck();
  check.node(schema, field, 'root');
  if (schema['type'] !== undefined && schema['type'] !== 'object') {
    const shown = JSON.stringify(schema['type']);
    check.add('FieldValueInvalid', `${field}.type`, `Invalid value: ${shown}: must be object at the root`);
  }
  check.rootMetadata(schema, field);
  return check.problems;
}

/** Refuses printer columns that the real server refuses, or whose JSONPath is not known here. */
export function validateColumns(columns: readonly unknown[], field: string): SchemaProblem[] {
  const check = new StructureCheck();
  columns.forEach((column, index) => {
    const at = `${field}[${String(index)}]`;
    const { name, type, jsonPath } = isRecord(column) ? column : {};
    if (typeof name !== 'string' || name === '') check.required(`${at}.name`);
    if (typeof type !== 'string' || type === '') {
      check.required(`${at}.type`, `must be one of ${COLUMN_TYPES.join(',')}`);
    } else if (!COLUMN_TYPES.includes(type)) {
      const message = `Invalid value: ${JSON.stringify(type)}: must be one of ${COLUMN_TYPES.join(',')}`;
      check.add('FieldValueInvalid', `${at}.type`, message);
    }
    if (typeof jsonPath !== 'string' || jsonPath === '') check.required(`${at}.jsonPath`);
    else if (parseJsonPath(jsonPath) === undefined) {
      const message = `Invalid value: ${JSON.stringify(jsonPath)}: this server does not know such a JSONPath`;
      check.add('FieldValueInvalid', `${at}.jsonPath`, message);
    }
  });
  return check.problems;
}

class StructureCheck {
  readonly problems: SchemaProblem[] = [];

  add(type: SchemaProblem['type'], field: string, message: string): void {
    this.problems.push({ type, field, message });
  }

  required(field: string, why = ''): void {
    this.add('FieldValueRequired', field, `Required value${why === '' ? '' : `: ${why}`}`);
  }

  forbidden(field: string, why: string): void {
    this.add('FieldValueForbidden', field, `Forbidden: ${why}`);
  }

  node(schema: Schema, field: string, place: Place): void {
    this.type(schema, field, place);
    this.keywords(schema, field);
    this.values(schema, field);
    this.list(schema, field);
    const { properties, items, additionalProperties } = schema;
    for (const [key, inner] of Object.entries(isRecord(properties) ? properties : {})) {
      if (isRecord(inner)) this.node(inner, `${field}.properties[${key}]`, 'object field');
    }
    if (isRecord(items)) this.node(items, `${field}.items`, 'array item');
    if (isRecord(additionalProperties)) {
      this.node(additionalProperties, `${field}.additionalProperties`, 'object field');
    }
  }

  /** A schema may restrict only two fields of `metadata`. */
  rootMetadata(schema: Schema, field: string): void {
    const { properties } = schema;
    const metadata = isRecord(properties) ? properties['metadata'] : undefined;
    if (!isRecord(metadata)) return;
    const inner = isRecord(metadata['properties']) ? Object.keys(metadata['properties']) : [];
    const keywords = Object.keys(metadata).filter((key) => !['type', 'default', 'properties'].includes(key));
    // A description is not allowed either.
    if (keywords.length === 0 && inner.every((key) => key === 'name' || key === 'generateName')) return;
    this.forbidden(
      `${field}.properties[metadata]`,
      'must not specify anything other than name and generateName, but metadata is implicitly specified',
    );
  }

  private type(schema: Schema, field: string, place: Place): void {
    const { type } = schema;
    const typeless = schema['x-kubernetes-preserve-unknown-fields'] === true;
    if (type === undefined || type === '') {
      if (place === 'root') this.required(`${field}.type`, 'must not be empty at the root');
      else if (!typeless) this.required(`${field}.type`, `must not be empty for specified ${place}s`);
    } else if (typeof type !== 'string' || !TYPES.includes(type)) {
      const supported = TYPES.map((one) => JSON.stringify(one)).join(', ');
      const message = `Unsupported value: ${JSON.stringify(type)}: supported values: ${supported}`;
      this.add('FieldValueNotSupported', `${field}.type`, message);
    }
    if (type === 'array' && schema['items'] === undefined)
      this.required(`${field}.items`, 'must be specified');
  }

  private keywords(schema: Schema, field: string): void {
    for (const keyword of Object.keys(schema)) {
      if (!KEYWORDS.includes(keyword))
        this.forbidden(`${field}.${keyword}`, `this server does not enforce ${keyword}`);
    }
    if (schema['additionalProperties'] === false) {
      this.forbidden(`${field}.additionalProperties`, 'additionalProperties cannot be set to false');
    }
    if (schema['additionalProperties'] !== undefined && schema['properties'] !== undefined) {
      const why = 'additionalProperties and properties are mutual exclusive';
      this.forbidden(`${field}.additionalProperties`, why);
    }
    if (Array.isArray(schema['items'])) {
      this.forbidden(`${field}.items`, 'items must be a schema object and not an array');
    }
  }

  private values(schema: Schema, field: string): void {
    const { pattern, format, default: fallback } = schema;
    if (typeof pattern === 'string' && !isPattern(pattern)) {
      const why = `must be a valid regular expression`;
      this.add('FieldValueInvalid', `${field}.pattern`, `Invalid value: ${JSON.stringify(pattern)}: ${why}`);
    }
    if (typeof format === 'string' && !checksFormat(format)) {
      this.forbidden(`${field}.format`, `this server does not check the format ${format}`);
    }
    if (fallback === undefined) return;
    const { pruned } = pruneUnknown(schema, fallback);
    for (const unknown of pruned) {
      const message = `Invalid value: ${JSON.stringify(fallback)}: must not have unknown fields, but has ${unknown}`;
      this.add('FieldValueInvalid', `${field}.default`, message);
    }
    this.problems.push(...validateValue(schema, fallback, `${field}.default`));
  }

  private list(schema: Schema, field: string): void {
    const listType = schema['x-kubernetes-list-type'];
    const keys = schema['x-kubernetes-list-map-keys'];
    const keysField = `${field}.x-kubernetes-list-map-keys`;
    if (listType !== undefined && !(LIST_TYPES as unknown[]).includes(listType)) {
      const supported = LIST_TYPES.map((one) => JSON.stringify(one)).join(', ');
      const message = `Unsupported value: ${JSON.stringify(listType)}: supported values: ${supported}`;
      this.add('FieldValueNotSupported', `${field}.x-kubernetes-list-type`, message);
    }
    if (listType !== undefined && schema['type'] !== 'array') {
      const message = `Invalid value: ${JSON.stringify(schema['type'] ?? '')}: must be array if x-kubernetes-list-type is specified`;
      this.add('FieldValueInvalid', `${field}.type`, message);
    }
    if (keys !== undefined && listType !== 'map') {
      this.forbidden(keysField, 'must be empty if x-kubernetes-list-type is not map');
    }
    const items = isRecord(schema['items']) ? schema['items'] : {};
    if (listType === 'map' && (!Array.isArray(keys) || keys.length === 0)) {
      this.required(keysField, 'must not be empty if x-kubernetes-list-type is map');
    } else if (listType === 'map') this.mapKeys(keys as string[], items, field);
    if (listType === 'set' && ['array', 'object'].includes(items['type'] as string)) {
      const why = 'must be a scalar as item of a list with x-kubernetes-list-type=set';
      this.add(
        'FieldValueInvalid',
        `${field}.items.type`,
        `Invalid value: "${String(items['type'])}": ${why}`,
      );
    }
  }

  private mapKeys(keys: readonly string[], items: Schema, field: string): void {
    if (items['type'] !== 'object') {
      const message = `Invalid value: ${JSON.stringify(items['type'] ?? '')}: must be object if parent array's x-kubernetes-list-type is map`;
      this.add('FieldValueInvalid', `${field}.items.type`, message);
    }
    const properties = isRecord(items['properties']) ? items['properties'] : {};
    const required = Array.isArray(items['required']) ? (items['required'] as string[]) : [];
    keys.forEach((key, index) => {
      const property = Object.hasOwn(properties, key) ? properties[key] : undefined;
      if (!isRecord(property)) {
        const message = `Invalid value: ${JSON.stringify(key)}: entries must all be names of item properties`;
        this.add('FieldValueInvalid', `${field}.x-kubernetes-list-map-keys[${String(index)}]`, message);
      } else if (!required.includes(key) && property['default'] === undefined) {
        const why =
          'this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property';
        this.required(`${field}.items.properties[${key}].default`, why);
      }
    });
  }
}

function isPattern(pattern: string): boolean {
  try {
    new RegExp(pattern, 'u');
    return true;
  } catch {
    return false;
  }
}
