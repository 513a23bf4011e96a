import { stringify } from 'yaml';

import type { Condition, Member, Tree } from './tree.js';

const STEP = 2;
/** Not folded: Helm's output is for machines, and a template is read beside its manifest. */
const PLAIN = { lineWidth: 0 } as const;

/** Lines of a Helm template. */
export function print(tree: Tree, indent = 0): string[] {
  if (tree.type !== 'map' && tree.type !== 'list') throw new Error(`${tree.type} is no document`);
  return printAll(tree.members, indent);
}

/** Neighbours with one condition share its action. */
function printAll(members: readonly Member[], indent: number): string[] {
  const printed: string[] = [];
  for (let first = 0; first < members.length;) {
    const condition = conditionOf(members[first] as Member);
    let end = first + 1;
    while (
      condition !== undefined &&
      end < members.length &&
      conditionOf(members[end] as Member) === condition
    )
      end += 1;
    const body = members.slice(first, end).flatMap((one) => printMember(one, indent));
    const blanks = ' '.repeat(indent);
    printed.push(
      ...(condition === undefined
        ? body
        : [`${blanks}{{- if ${condition} }}`, ...body, `${blanks}{{- end }}`]),
    );
    first = end;
  }
  return printed;
}

/** A Go template condition; undefined when it always holds. */
export function conditionOf({ when, unless }: Condition): string | undefined {
  const parts = [anyOf(when), ...unless.map((one) => `not ${bracketed(one)}`)].filter(
    (part) => part !== undefined,
  );
  return parts.length < 2 ? parts[0] : `and ${parts.map(bracketed).join(' ')}`;
}

function anyOf(conditions: readonly string[]): string | undefined {
  const [first] = conditions;
  return conditions.length < 2 ? first : `or ${conditions.map(bracketed).join(' ')}`;
}

function bracketed(condition: string): string {
  return /\s/.test(condition) ? `(${condition})` : condition;
}

/** Text outside of actions that a Go template leaves alone. */
export function escaped(content: string): string {
  return content.replaceAll('{{', '{{ "{{" }}');
}

function printMember(one: Member, indent: number): string[] {
  const blanks = ' '.repeat(indent);
  const comment = (one.comment ?? []).map((line) => `${blanks}# ${escaped(line)}`);
  return [...comment, ...printValue(one.key === undefined ? '-' : `${keyText(one.key)}:`, one.value, indent)];
}

function keyText(key: string): string {
  return escaped(stringify(key, PLAIN).trimEnd());
}

/** @param head `key:` or `-` */
function printValue(head: string, tree: Tree, indent: number): string[] {
  const blanks = ' '.repeat(indent);
  switch (tree.type) {
    case 'lines':
      return tree.lines.map((line) => `${blanks}${line.replaceAll('@', String(indent))}`);
    case 'text':
      return [`${blanks}${head} ${tree.text}`];
    case 'leaf':
      return printLeaf(head, tree.value, indent);
    case 'choice': {
      const inline = [tree.then, tree.otherwise].map(inlineText);
      if (inline.every((one) => one !== undefined))
        return [
          `${blanks}${head} {{ if ${tree.when} }}${inline[0] ?? ''}{{ else }}${inline[1] ?? ''}{{ end }}`,
        ];
      return branches(
        `if ${tree.when}`,
        printValue(head, tree.then, indent),
        printValue(head, tree.otherwise, indent),
        blanks,
      );
    }
    case 'override': {
      const inline = inlineText(tree.inner);
      if (inline !== undefined)
        return [
          `${blanks}${head} {{ if not (kindIs "invalid" ${tree.by}) }}{{ ${tree.by} }}{{ else }}${inline}{{ end }}`,
        ];
      const given = [
        `${blanks}${head}`,
        `${blanks}  {{- toYaml ${tree.by} | nindent ${String(indent + STEP)} }}`,
      ];
      return branches(`if ${tree.by}`, given, printValue(head, tree.inner, indent), blanks);
    }
    case 'map':
    case 'list':
      return printMembers(head, tree, indent);
  }
}

function branches(condition: string, one: string[], other: string[], blanks: string): string[] {
  return [`${blanks}{{- ${condition} }}`, ...one, `${blanks}{{- else }}`, ...other, `${blanks}{{- end }}`];
}

function printMembers(head: string, tree: Tree & { type: 'map' | 'list' }, indent: number): string[] {
  const blanks = ' '.repeat(indent);
  if (tree.members.length === 0) return [`${blanks}${head} ${tree.type === 'map' ? '{}' : '[]'}`];
  if (head !== '-') return [`${blanks}${head}`, ...printAll(tree.members, indent + STEP)];
  const body = printAll(tree.members, indent + STEP);
  const [first = ''] = body;
  const rest = body.slice(1);
  // `- name: x`, unless the first line is an action or a comment.
  return /^\s*(#|\{\{)/.test(first)
    ? [`${blanks}-`, first, ...rest]
    : [`${blanks}- ${first.trimStart()}`, ...rest];
}

function printLeaf(head: string, value: unknown, indent: number): string[] {
  const blanks = ' '.repeat(indent);
  if (typeof value === 'string' && value.includes('\n')) {
    // A block scalar as the library writes it, in its place.
    const block = stringify({ value }, { lineWidth: 0, indent: STEP }).trimEnd().split('\n');
    const [first = '', ...rest] = block.map((line) => escaped(line));
    const inner = rest.map((line) => (line === '' ? '' : `${blanks}${line}`));
    return [`${blanks}${head} ${first.replace(/^value:\s*/, '')}`, ...inner];
  }
  return [`${blanks}${head} ${scalarText(value)}`];
}

function scalarText(value: unknown): string {
  return escaped(stringify(value, PLAIN).trimEnd());
}

/** What stands behind a key on its line; undefined for what needs more lines. */
function inlineText(tree: Tree): string | undefined {
  if (tree.type === 'text') return tree.text;
  if (tree.type === 'leaf') {
    if (typeof tree.value === 'string' && tree.value.includes('\n')) return undefined;
    return scalarText(tree.value);
  }
  if (tree.type === 'choice') {
    const [one, other] = [inlineText(tree.then), inlineText(tree.otherwise)];
    if (one === undefined || other === undefined) return undefined;
    return `{{ if ${tree.when} }}${one}{{ else }}${other}{{ end }}`;
  }
  if (tree.type === 'override') {
    const inner = inlineText(tree.inner);
    return inner === undefined
      ? undefined
      : `{{ if not (kindIs "invalid" ${tree.by}) }}{{ ${tree.by} }}{{ else }}${inner}{{ end }}`;
  }
  return undefined;
}
