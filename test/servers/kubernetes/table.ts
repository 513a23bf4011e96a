import { evaluateJsonPath } from './json-path.js';
import type { PrinterColumn } from './kinds.js';
import type { KubeObject } from './objects.js';

const NAME_COLUMN = {
  name: 'Name',
  type: 'string',
  format: 'name',
  description: 'Name must be unique within a namespace.',
  priority: 0,
};

/** Columns of built-in kinds beside the name; the others show their age. */
const BUILT_IN: Readonly<Record<string, readonly PrinterColumn[]>> = {
  Event: [
    { name: 'Last Seen', type: 'date', jsonPath: '.lastTimestamp' },
    { name: 'Type', type: 'string', jsonPath: '.type' },
    { name: 'Reason', type: 'string', jsonPath: '.reason' },
    { name: 'Object', type: 'string', jsonPath: '.involvedObject.name' },
    { name: 'Message', type: 'string', jsonPath: '.message' },
  ],
  Namespace: [
    { name: 'Status', type: 'string', jsonPath: '.status.phase' },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
  ],
};
const AGE: readonly PrinterColumn[] = [
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
];

/**
 * A `meta.k8s.io/v1` Table, as `kubectl get` asks for it.
 *
 * @param columns of the CRD; undefined for a built-in kind.
 * @param includeObject `None`, `Metadata` (the default) or `Object`.
 */
export function toTable(
  kind: string,
  columns: readonly PrinterColumn[] | undefined,
  objects: readonly KubeObject[],
  includeObject: string,
  metadata: Record<string, unknown>,
  now: Date = new Date(),
): Record<string, unknown> {
  const shown = columns ?? BUILT_IN[kind] ?? AGE;
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata,
    columnDefinitions: [
      NAME_COLUMN,
      ...shown.map(({ name, type, description, priority, format }) => ({
        name,
        type: type === 'date' ? 'string' : type,
        format: format ?? '',
        description: description ?? '',
        priority: priority ?? 0,
      })),
    ],
    rows: objects.map((object) => ({
      cells: [object.metadata.name, ...shown.map((column) => cell(column, object, now))],
      ...rowObject(object, includeObject),
    })),
  };
}

function rowObject(object: KubeObject, includeObject: string): Record<string, unknown> {
  if (includeObject === 'None') return {};
  if (includeObject === 'Object') return { object };
  return {
    object: { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata },
  };
}

function cell({ jsonPath, type }: PrinterColumn, object: KubeObject, now: Date): unknown {
  const [value] = evaluateJsonPath(jsonPath, object);
  if (value === undefined || value === null) return type === 'date' ? '<unknown>' : null;
  if (type === 'date') return age(typeof value === 'string' ? value : '', now);
  if (type === 'integer' || type === 'number' || type === 'boolean') return value;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** `duration.HumanDuration` of apimachinery, in its usual ranges. */
function age(timestamp: string, now: Date): string {
  const seconds = Math.max(0, Math.floor((now.getTime() - Date.parse(timestamp)) / 1000));
  if (Number.isNaN(seconds)) return '<invalid>';
  if (seconds < 120) return `${String(seconds)}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10)
    return seconds % 60 === 0 ? `${String(minutes)}m` : `${String(minutes)}m${String(seconds % 60)}s`;
  if (minutes < 180) return `${String(minutes)}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 8)
    return minutes % 60 === 0 ? `${String(hours)}h` : `${String(hours)}h${String(minutes % 60)}m`;
  return hours < 48 ? `${String(hours)}h` : `${String(Math.floor(hours / 24))}d`;
}
