import type { ResourceKind } from './kinds.js';
import { type KubeObject, textAt } from './objects.js';
import { badRequest } from './status-errors.js';

/** Whether an object is selected. */
export type Selector = (object: KubeObject) => boolean;

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
  // Field labels of events that differ from the stored field.
  if (field === 'source') return textAt(object, 'source.component') || textAt(object, 'reportingComponent');
  return textAt(object, field);
}
