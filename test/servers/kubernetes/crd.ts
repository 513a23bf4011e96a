import type { PrinterColumn, ResourceKind } from './kinds.js';
import { isRecord, type KubeObject, recordAt, sameJson, textAt, timestamp } from './objects.js';
import { applyDefaults, type SchemaProblem } from './schema.js';
import type { StatusCause } from './status-errors.js';
import { validateColumns, validateStructural } from './structural-schema.js';

/** Keeps a CRD until its objects are gone; the real server adds it, too. */
export const CRD_CLEANUP_FINALIZER = 'customresourcecleanup.apiextensions.k8s.io';

interface CrdVersion {
  readonly name: string;
  readonly served: boolean;
  readonly storage: boolean;
  readonly schema: Record<string, unknown> | undefined;
  readonly hasStatus: boolean;
  readonly columns: readonly PrinterColumn[];
}

function versionsOf(crd: KubeObject): CrdVersion[] {
  const versions = recordAt(crd, 'spec')['versions'];
  if (!Array.isArray(versions)) return [];
  return versions.filter(isRecord).map((version) => {
    const schema = recordAt(version, 'schema')['openAPIV3Schema'];
    const columns = version['additionalPrinterColumns'];
    return {
      name: textAt(version, 'name'),
      served: version['served'] === true,
      storage: version['storage'] === true,
      schema: isRecord(schema) ? schema : undefined,
      hasStatus: isRecord(recordAt(version, 'subresources')['status']),
      columns: Array.isArray(columns) && columns.length > 0 ? (columns as PrinterColumn[]) : AGE_ONLY,
    };
  });
}

/** The default columns of a CRD. */
const AGE_ONLY: readonly PrinterColumn[] = [
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
];

/** The kinds that a stored CRD serves: one for each served version, none until it is established. */
export function kindsOfCrd(crd: KubeObject): ResourceKind[] {
  if (!hasCondition(crd, 'Established')) return [];
  const spec = recordAt(crd, 'spec');
  const names = recordAt(spec, 'names');
  const group = textAt(spec, 'group');
  const strings = (key: string): string[] => (Array.isArray(names[key]) ? (names[key] as string[]) : []);
  return versionsOf(crd)
    .filter((version) => version.served)
    .map((version) => {
      const apiVersion = `${group}/${version.name}`;
      const toVersion = (object: KubeObject): KubeObject =>
        object.apiVersion === apiVersion ? object : { ...object, apiVersion };
      return {
        group,
        version: version.name,
        kind: textAt(names, 'kind'),
        listKind: textAt(names, 'listKind'),
        plural: textAt(names, 'plural'),
        singular: textAt(names, 'singular'),
        shortNames: strings('shortNames'),
        categories: strings('categories'),
        namespaced: spec['scope'] === 'Namespaced',
        place: `${group}/${textAt(names, 'plural')}`,
        hasStatus: version.hasStatus,
        hasGeneration: true,
        unconditionalUpdate: false,
        createOnUpdate: false,
        fields: [],
        custom: { crd: crd.metadata.name, schema: version.schema ?? {}, columns: version.columns },
        // Conversion strategy None: only the version's name differs.
        conversion: { toStored: toVersion, fromStored: toVersion },
        decoded: decoderOf(version.schema ?? {}),
      };
    });
}

/**
 * Gives stored objects as the real server decodes them: with the defaults of the schema of today, which an object that
 * was stored before does not have (apiextensions-apiserver, pkg/apiserver/customresource_handler.go: the decoder of
 * the storage has a defaulter).
 */
function decoderOf(schema: Record<string, unknown>): (stored: KubeObject) => KubeObject {
  // Stored objects are immutable.
  const decoded = new WeakMap<KubeObject, KubeObject>();
  return (stored) => {
    const known = decoded.get(stored);
    if (known !== undefined) return known;
    const filled = applyDefaults(schema, stored) as KubeObject;
    const result = sameJson(filled, stored) ? stored : filled;
    decoded.set(stored, result);
    decoded.set(result, result);
    return result;
  };
}

/** The CRD with the defaults that the real server fills in. */
export function withCrdDefaults(crd: KubeObject): KubeObject {
  const spec = recordAt(crd, 'spec');
  const names = recordAt(spec, 'names');
  const kind = textAt(names, 'kind');
  return {
    ...crd,
    spec: {
      ...spec,
      names: {
        ...names,
        listKind: names['listKind'] ?? `${kind}List`,
        singular: names['singular'] ?? kind.toLowerCase(),
      },
      conversion: spec['conversion'] ?? { strategy: 'None' },
    },
  };
}

/** Validation errors of a CRD, as far as hand-written CRDs are likely to have them. */
export function validateCrd(crd: KubeObject): StatusCause[] {
  const causes: StatusCause[] = [];
  const required = (field: string): void => {
    causes.push({ reason: 'FieldValueRequired', message: 'Required value', field });
  };
  const spec = recordAt(crd, 'spec');
  const names = recordAt(spec, 'names');
  for (const field of ['group', 'scope']) if (textAt(spec, field) === '') required(`spec.${field}`);
  for (const field of ['plural', 'kind']) if (textAt(names, field) === '') required(`spec.names.${field}`);
  const scope = textAt(spec, 'scope');
  if (scope !== '' && scope !== 'Namespaced' && scope !== 'Cluster') {
    causes.push({
      reason: 'FieldValueNotSupported',
      message: `Unsupported value: "${scope}": supported values: "Cluster", "Namespaced"`,
      field: 'spec.scope',
    });
  }
  const name = `${textAt(names, 'plural')}.${textAt(spec, 'group')}`;
  if (causes.length === 0 && crd.metadata.name !== name) {
    const message = `Invalid value: "${crd.metadata.name}": must be spec.names.plural+"."+spec.group`;
    causes.push({ reason: 'FieldValueInvalid', message, field: 'metadata.name' });
  }
  if (/\.(k8s|kubernetes)\.io$/.test(textAt(spec, 'group')) && !hasApproval(crd)) {
    const message =
      'Required value: protected groups must have approval annotation "api-approved.kubernetes.io", see https://github.com/kubernetes/enhancements/pull/1111';
    causes.push({
      reason: 'FieldValueRequired',
      message,
      field: 'metadata.annotations[api-approved.kubernetes.io]',
    });
  }
  const versions = versionsOf(crd);
  if (versions.filter((version) => version.storage).length !== 1) {
    const message = `Invalid value: must have exactly one version marked as storage version`;
    causes.push({ reason: 'FieldValueInvalid', message, field: 'spec.versions' });
  }
  versions.forEach((version, index) => {
    const field = `spec.versions[${String(index)}]`;
    if (version.schema === undefined) required(`${field}.schema.openAPIV3Schema`);
    else causes.push(...asCauses(validateStructural(version.schema, `${field}.schema.openAPIV3Schema`)));
    causes.push(...asCauses(validateColumns(version.columns, `${field}.additionalPrinterColumns`)));
  });
  return causes;
}

function asCauses(problems: readonly SchemaProblem[]): StatusCause[] {
  return problems.map(({ type, message, field }) => ({ reason: type, message, field }));
}

function hasApproval(crd: KubeObject): boolean {
  return crd.metadata.annotations?.['api-approved.kubernetes.io'] !== undefined;
}

export function hasCondition(object: KubeObject, type: string): boolean {
  const conditions = recordAt(object, 'status')['conditions'];
  return (
    Array.isArray(conditions) &&
    conditions.some((one) => isRecord(one) && one['type'] === type && one['status'] === 'True')
  );
}

/** The status of an accepted CRD, as the controllers of the real server set it. */
export function establishedStatus(crd: KubeObject): Record<string, unknown> {
  const old = recordAt(crd, 'status');
  const storage = versionsOf(crd).find((version) => version.storage)?.name ?? '';
  const stored = Array.isArray(old['storedVersions']) ? (old['storedVersions'] as string[]) : [];
  const at = timestamp();
  const condition = (type: string, reason: string, message: string): Record<string, unknown> => ({
    type,
    status: 'True',
    lastTransitionTime: at,
    reason,
    message,
  });
  return {
    ...old,
    conditions: hasCondition(crd, 'Established')
      ? old['conditions']
      : [
          condition('NamesAccepted', 'NoConflicts', 'no conflicts found'),
          condition('Established', 'InitialNamesAccepted', 'the initial names have been accepted'),
        ],
    acceptedNames: recordAt(recordAt(crd, 'spec'), 'names'),
    storedVersions: stored.includes(storage) ? stored : [...stored, storage],
  };
}
