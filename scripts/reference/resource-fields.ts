import { readFileSync } from 'node:fs';

import { parse } from 'yaml';

import { code, plain, table } from './markdown.js';

interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema;
}

interface Definition {
  readonly spec: {
    readonly names: {
      readonly kind: string;
      readonly plural: string;
      readonly shortNames: readonly string[];
    };
    readonly versions: readonly { readonly schema: { readonly openAPIV3Schema: Schema } }[];
  };
}

/** The fields of a kind, from its CustomResourceDefinition. */
export function resourceFields(file: string): string {
  const { spec } = parse(readFileSync(file, 'utf8')) as Definition;
  const { kind, plural, shortNames } = spec.names;
  const root = spec.versions[0]?.schema.openAPIV3Schema ?? {};
  const rows = ['spec', 'status'].flatMap((name) => fieldRows(name, root.properties?.[name] ?? {}));
  return [
    `### ${kind}`,
    `Plural ${code(plural)}, short name ${shortNames.map(code).join(', ')}. ${root.description ?? ''}`,
    table(['field', 'type', 'meaning'], rows),
  ].join('\n\n');
}

function fieldRows(path: string, schema: Schema): string[][] {
  const required = new Set(schema.required ?? []);
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const isList = field.type === 'array';
    const own = `${path}.${name}${isList ? '[]' : ''}`;
    const facts = [typeOf(field), ...(required.has(name) ? ['required'] : [])].join(', ');
    return [
      [code(own), facts, plain(field.description ?? '')],
      ...fieldRows(own, (isList ? field.items : field) ?? {}),
    ];
  });
}

function typeOf({ type = 'object', enum: values, minimum, items, additionalProperties }: Schema): string {
  if (values !== undefined) return values.map(code).join(' or ');
  if (type === 'array') return items?.type === 'string' ? 'list of strings' : 'list';
  if (additionalProperties !== undefined) return `map of ${additionalProperties.type ?? 'any'}s`;
  return minimum === undefined ? type : `${type} from ${String(minimum)}`;
}
