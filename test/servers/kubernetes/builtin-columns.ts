import { humanDuration } from './human-duration.js';
import { type KubeObject, recordAt, textAt } from './objects.js';
import { NAME_COLUMN, type TableColumn } from './table-column.js';

function column(
  name: string,
  cell: TableColumn['cell'],
  description = name,
  priority = 0,
  type = 'string',
): TableColumn {
  return { name, type, description, priority, cell };
}

function text(path: string): (object: KubeObject) => string {
  return (object) => textAt(object, path);
}

function ago(...paths: string[]): TableColumn['cell'] {
  return (object, now) => {
    const time = paths.map((path) => textAt(object, path)).find((one) => one !== '');
    return time === undefined ? '<unknown>' : humanDuration(time, now);
  };
}

function count(field: string): (object: KubeObject) => number {
  return (object) => {
    const value = object[field];
    return Array.isArray(value) ? value.length : Object.keys(recordAt(object, field)).length;
  };
}

const AGE = column('Age', ago('metadata.creationTimestamp'), 'Time since it was created.');
const CREATED = column('Created At', text('metadata.creationTimestamp'), 'When it was created.');
const ROLE = column(
  'Role',
  (object) => `${textAt(object, 'roleRef.kind')}/${textAt(object, 'roleRef.name')}`,
  'The role that is bound.',
);
const WEBHOOKS = column('Webhooks', count('webhooks'), 'How many webhooks it has.', 0, 'integer');

/** Columns behind the name; kinds that are not here show their age. */
const BY_KIND: Readonly<Record<string, readonly TableColumn[]>> = {
  Namespace: [column('Status', text('status.phase'), 'The phase of the namespace.'), AGE],
  Secret: [column('Type', text('type')), column('Data', count('data'), 'How many keys.'), AGE],
  ConfigMap: [column('Data', count('data'), 'How many keys.'), AGE],
  ServiceAccount: [column('Secrets', count('secrets'), 'How many secrets.'), AGE],
  Lease: [column('Holder', text('spec.holderIdentity'), 'Who holds the lease.'), AGE],
  Deployment: [
    column('Ready', (object) => `${whole(object, 'status.readyReplicas')}/${whole(object, 'spec.replicas')}`),
    column(
      'Up-to-date',
      (object) => Number(whole(object, 'status.updatedReplicas')),
      undefined,
      0,
      'integer',
    ),
    column(
      'Available',
      (object) => Number(whole(object, 'status.availableReplicas')),
      undefined,
      0,
      'integer',
    ),
    AGE,
  ],
  CustomResourceDefinition: [CREATED],
  Role: [CREATED],
  ClusterRole: [CREATED],
  RoleBinding: [ROLE, AGE],
  ClusterRoleBinding: [ROLE, AGE],
  ValidatingWebhookConfiguration: [WEBHOOKS, AGE],
  MutatingWebhookConfiguration: [WEBHOOKS, AGE],
};

/** Events are told by what happened, not by their names. */
const EVENT: readonly TableColumn[] = [
  column('Last Seen', ago('series.lastObservedTime', 'lastTimestamp', 'firstTimestamp', 'eventTime')),
  column('Type', text('type')),
  column('Reason', text('reason')),
  column('Object', involved),
  column('Subobject', text('involvedObject.fieldPath'), 'Subobject', 1),
  column('Source', text('source.component'), 'Source', 1),
  column('Message', (object) => (textAt(object, 'message') || textAt(object, 'note')).trim()),
  column('First Seen', ago('firstTimestamp', 'eventTime'), 'First Seen', 1),
  column('Count', (object) => object['count'] ?? 1, 'Count', 1, 'integer'),
  { ...NAME_COLUMN, priority: 1 },
];

export function builtinColumns(kind: string): readonly TableColumn[] {
  if (kind === 'Event') return EVENT;
  return [NAME_COLUMN, ...((Object.hasOwn(BY_KIND, kind) ? BY_KIND[kind] : undefined) ?? [AGE])];
}

/** `kmsvaultsecret/app`; of an `events.k8s.io` event the object is called `regarding`. */
function involved(event: KubeObject): string {
  const about =
    ['involvedObject', 'regarding'].find((field) => event[field] !== undefined) ?? 'involvedObject';
  return `${textAt(event, `${about}.kind`).toLowerCase()}/${textAt(event, `${about}.name`)}`;
}

function whole(object: KubeObject, path: string): string {
  const value = textAt(object, path);
  return value === '' ? '0' : value;
}
