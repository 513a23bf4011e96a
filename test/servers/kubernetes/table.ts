import { humanDuration } from './human-duration.js';
import { parseJsonPath } from './json-path.js';
import type { PrinterColumn } from './kinds.js';
import type { KubeObject } from './objects.js';
import { NAME_COLUMN, type TableColumn } from './table-column.js';

/** What a built-in kind shows besides its name; a real server has further columns for some. */
const AGE_COLUMN: TableColumn = {
  name: 'Age',
  type: 'string',
  description: 'Time since it was created.',
  priority: 0,
  cell: ({ metadata }, now) => humanDuration(String(metadata.creationTimestamp), now),
};

/**
 * A `meta.k8s.io/v1` Table, as `kubectl get` asks for it.
 *
 * @param columns of the CRD; undefined for a built-in kind.
 * @param includeObject `None`, `Metadata` (the default) or `Object`.
 */
export function toTable(
  columns: readonly PrinterColumn[] | undefined,
  objects: readonly KubeObject[],
  includeObject: string,
  metadata: Record<string, unknown>,
  now: Date = new Date(),
): Record<string, unknown> {
  const shown = [NAME_COLUMN, ...(columns === undefined ? [AGE_COLUMN] : columns.map(customColumn))];
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata,
    columnDefinitions: shown.map(({ name, type, format, description, priority }) => ({
      name,
      type,
      format: format ?? '',
      description,
      priority,
    })),
    rows: objects.map((object) => ({
      cells: shown.map(({ cell }) => cell(object, now)),
      object: rowObject(object, includeObject),
    })),
  };
}

function rowObject(object: KubeObject, includeObject: string): unknown {
  if (includeObject === 'None') return null;
  if (includeObject === 'Object') return object;
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata };
}

function customColumn({ name, type, format, description, priority, jsonPath }: PrinterColumn): TableColumn {
  const find = parseJsonPath(jsonPath);
  return {
    name,
    type,
    ...(format === undefined ? {} : { format }),
    description: description ?? `Custom resource definition column (in JSONPath format): ${jsonPath}`,
    priority: priority ?? 0,
    // Only the first result is shown.
    cell: (object, now) => customCell(type, find?.(object)[0], now),
  };
}

/** A value of another type than the column is shown as an empty cell. */
function customCell(type: string, value: unknown, now: Date): unknown {
  if (value === undefined || value === null) return null;
  switch (type) {
    case 'integer':
      return typeof value === 'number' ? Math.trunc(value) : null;
    case 'number':
    case 'boolean':
      return typeof value === type ? value : null;
    case 'date':
      return typeof value === 'string' ? humanDuration(value, now) : null;
    default:
      return typeof value === 'string' ? value : JSON.stringify(value);
  }
}
