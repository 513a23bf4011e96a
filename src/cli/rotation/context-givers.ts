import { PARTIAL_KIND, SECRET_KIND } from '../../api/group.js';
import type { EncryptionContext } from '../../api/resources.js';
import { isContext, nonEmptyContext } from '../../api/validation.js';
import { type ManifestResource, record } from '../files/manifest-resource.js';
import { effectiveContext, sameContext } from '../keys/effective-context.js';

/** The contexts that an item may have been encrypted with. */
export interface PossibleContexts {
  /** The most likely first; at least one. */
  readonly contexts: readonly EncryptionContext[];
  /** The context comes from a resource that is not among the files. */
  readonly giverIsMissing: boolean;
}

/** What is known of a resource without its items. */
interface Giver {
  readonly kind: string;
  readonly name: string | undefined;
  readonly namespace: string | undefined;
  /** Empty: none. */
  readonly context: EncryptionContext;
  readonly includes: readonly unknown[];
}

const NO_CONTEXT: EncryptionContext = {};

/**
 * Finds contexts as the operator does: an item's own, that of its resource, for a partial that of the resources that
 * include it. Files may hold a resource in parts, as kustomize patches: resources of one name count as one.
 */
export class ContextGivers {
  private readonly givers: readonly Giver[];

  constructor(resources: readonly ManifestResource[]) {
    this.givers = resources.map(({ kind, name, namespace, object }) => {
      const { secretContext, includeSecrets } = record(record(object).spec);
      const context = isContext(secretContext) ? nonEmptyContext(secretContext) : undefined;
      const includes: readonly unknown[] = Array.isArray(includeSecrets) ? includeSecrets : [];
      return { kind, name, namespace, context: context ?? NO_CONTEXT, includes };
    });
  }

  contextsFor(resource: ManifestResource, key: string): PossibleContexts {
    const { context, from } = effectiveContext(resource, key);
    const includers = resource.kind === PARTIAL_KIND ? this.includersOf(resource) : [];
    const others = [...this.namesakesOf(resource), ...includers].map((giver) => giver.context);
    const isOwn = from === 'item' || from === 'resource';
    const given = others.filter((other) => Object.keys(other).length > 0);
    return {
      contexts: unique(isOwn ? [context, ...given] : [...given, NO_CONTEXT]),
      giverIsMissing: !isOwn && resource.kind === PARTIAL_KIND && includers.length === 0,
    };
  }

  private namesakesOf({ kind, name, namespace }: ManifestResource): Giver[] {
    return this.givers.filter(
      (giver) => giver.kind === kind && giver.name === name && fits(giver.namespace, namespace),
    );
  }

  private includersOf({ name, namespace }: ManifestResource): Giver[] {
    const direct = this.givers.filter(
      (giver) =>
        giver.kind === SECRET_KIND && giver.includes.includes(name) && fits(giver.namespace, namespace),
    );
    const names = new Set(direct.map((giver) => giver.name));
    return this.givers.filter(
      (giver) => giver.kind === SECRET_KIND && names.has(giver.name) && fits(giver.namespace, namespace),
    );
  }
}

/** kustomize, or `kubectl -n`, may give a namespace later. */
function fits(a: string | undefined, b: string | undefined): boolean {
  return a === undefined || b === undefined || a === b;
}

function unique(contexts: readonly EncryptionContext[]): EncryptionContext[] {
  return contexts.filter(
    (context, index) => contexts.findIndex((other) => sameContext(context, other)) === index,
  );
}
