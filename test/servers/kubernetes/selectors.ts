import type { ResourceKind } from './kinds.js';
import { type KubeObject, textAt } from './objects.js';
import { badRequest } from './status-errors.js';

/** Tells whether an object is selected. */
export type Selector = (object: KubeObject) => boolean;

const LABEL_KEY = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const LABEL_VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/;

/** @throws ApiError 400 when the text is no label selector. */
export function labelSelector(text: string): Selector {
  const tests = splitRequirements(text).map(labelRequirement);
  return (object) => tests.every((test) => test(object.metadata.labels ?? {}));
}

/** Commas inside parentheses belong to a set. */
function splitRequirements(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let part = '';
  for (const char of text) {
    if (char === '(') depth += 1;
    if (char === ')') depth -= 1;
    if (char === ',' && depth === 0) {
      parts.push(part);
      part = '';
    } else {
      part += char;
    }
  }
  parts.push(part);
  return parts.map((one) => one.trim()).filter((one) => one !== '');
}

function labelRequirement(text: string): (labels: Record<string, string>) => boolean {
  const set = /^(\S+)\s+(in|notin)\s*\(([^()]*)\)$/.exec(text);
  if (set !== null) {
    const key = labelKey(set[1] ?? '', text);
    const values = (set[3] ?? '').split(',').map((value) => labelValue(value.trim(), text));
    return set[2] === 'in'
      ? (labels) => Object.hasOwn(labels, key) && values.includes(labels[key] ?? '')
      : (labels) => !Object.hasOwn(labels, key) || !values.includes(labels[key] ?? '');
  }
  const equality = /^([^=!\s]+)\s*(==|=|!=)\s*(.*)$/.exec(text);
  if (equality !== null) {
    const key = labelKey(equality[1] ?? '', text);
    const value = labelValue(equality[3] ?? '', text);
    return equality[2] === '!='
      ? (labels) => !Object.hasOwn(labels, key) || labels[key] !== value
      : (labels) => Object.hasOwn(labels, key) && labels[key] === value;
  }
  if (text.startsWith('!')) {
    const key = labelKey(text.slice(1).trim(), text);
    return (labels) => !Object.hasOwn(labels, key);
  }
  const key = labelKey(text, text);
  return (labels) => Object.hasOwn(labels, key);
}

function labelKey(key: string, requirement: string): string {
  if (!LABEL_KEY.test(key)) throw badRequest(`unable to parse requirement: ${requirement}`);
  return key;
}

function labelValue(value: string, requirement: string): string {
  if (!LABEL_VALUE.test(value) || value.length > 63) {
    throw badRequest(`unable to parse requirement: ${requirement}`);
  }
  return value;
}

/**
 * A field selector over the fields that the kind can be selected by.
 *
 * @throws ApiError 400 when it cannot be parsed or names another field.
 */
export function fieldSelector(text: string, kind: ResourceKind): Selector {
  const tests = text
    .split(',')
    .filter((part) => part.trim() !== '')
    .map((part): Selector => {
      const match = /^([^=!]+)(==|=|!=)(.*)$/.exec(part.trim());
      const field = match?.[1];
      if (match === null || field === undefined) {
        throw badRequest(`invalid selector: '${text}'; can't understand '${part}'`);
      }
      if (!['metadata.name', 'metadata.namespace', ...kind.fields].includes(field)) {
        throw badRequest(
          `Unable to find "${kind.group === '' ? '' : `${kind.group}/`}${kind.version}, Resource=${kind.plural}" that match label selector "", field selector "${text}": field label not supported: ${field}`,
        );
      }
      const value = match[3] ?? '';
      const wanted = match[2] !== '!=';
      return (object) => (fieldOf(object, field) === value) === wanted;
    });
  return (object) => tests.every((test) => test(object));
}

function fieldOf(object: KubeObject, field: string): string {
  // Where a field label of events differs from the stored field.
  if (field === 'source') return textAt(object, 'source.component') || textAt(object, 'reportingComponent');
  if (field === 'reportingController') return textAt(object, 'reportingComponent');
  return textAt(object, field.replace(/^regarding\./, 'involvedObject.'));
}
