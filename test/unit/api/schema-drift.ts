import type { Field, Shape } from './interface-fields.js';

/** A node of a CRD's `openAPIV3Schema`. */
export interface SchemaNode {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly items?: SchemaNode;
  readonly additionalProperties?: SchemaNode;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[];
  readonly [keyword: string]: unknown;
}

/**
 * What an interface and a schema say differently, one line each, both ways: fields that only one of them
 * knows, other types, other values of an enum, another opinion on what is required.
 */
export function driftBetween(shape: Shape, schema: SchemaNode, path: string): string[] {
  const expected = schemaTypes(shape);
  if (schema.type === undefined || !expected.includes(schema.type)) {
    return [`${path}: ${shape.kind} in the interface, ${schema.type ?? 'no type'} in the schema`];
  }
  const values = shape.kind === 'enum' ? [...shape.values].sort() : undefined;
  const allowed = schema.enum === undefined ? undefined : schema.enum.map(String).sort();
  if (JSON.stringify(values) !== JSON.stringify(allowed)) {
    return [`${path}: ${listed(values)} in the interface, ${listed(allowed)} in the schema`];
  }
  switch (shape.kind) {
    case 'list':
      return driftBetween(shape.items, schema.items ?? {}, `${path}[]`);
    case 'map':
      return driftBetween(shape.values, schema.additionalProperties ?? {}, `${path}{}`);
    case 'object':
      return driftOfFields(shape.fields, schema, path);
    default:
      return [];
  }
}

function driftOfFields(fields: Readonly<Record<string, Field>>, schema: SchemaNode, path: string): string[] {
  const properties = schema.properties ?? {};
  const drift = Object.keys(properties)
    .filter((name) => !Object.hasOwn(fields, name))
    .map((name) => `${path}.${name}: only in the schema`);
  for (const name of schema.required ?? []) {
    if (!Object.hasOwn(properties, name)) drift.push(`${path}.${name}: required, but not a property`);
  }
  for (const [name, field] of Object.entries(fields)) {
    const at = `${path}.${name}`;
    const property = Object.hasOwn(properties, name) ? properties[name] : undefined;
    if (property === undefined) {
      drift.push(`${at}: only in the interface`);
      continue;
    }
    const required = schema.required?.includes(name) === true;
    if (required !== field.required) {
      drift.push(`${at}: required in the ${required ? 'schema' : 'interface'} only`);
    }
    drift.push(...driftBetween(field.shape, property, at));
  }
  return drift;
}

function schemaTypes(shape: Shape): readonly string[] {
  switch (shape.kind) {
    case 'enum':
    case 'string':
      return ['string'];
    case 'number':
      return ['integer', 'number'];
    case 'boolean':
      return ['boolean'];
    case 'list':
      return ['array'];
    case 'map':
    case 'object':
      return ['object'];
  }
}

function listed(values: readonly string[] | undefined): string {
  return values === undefined ? 'any value' : values.join(' or ');
}
