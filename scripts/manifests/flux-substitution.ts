import type { KubernetesObject } from './kubernetes-object.js';

/** Label or annotation by which an object asks Flux to leave it alone (fluxcd/pkg, kustomize_varsub.go). */
export const SUBSTITUTE = 'kustomize.toolkit.fluxcd.io/substitute';

/**
 * Text that the `postBuild` substitution of Flux would replace, one line each: it takes every `${…}` for a
 * variable of its own, and an unknown one becomes empty.
 */
export function substitutionFaults({ metadata, ...object }: KubernetesObject): string[] {
  const { labels, annotations } = metadata;
  if (labels?.[SUBSTITUTE] === 'disabled' || annotations?.[SUBSTITUTE] === 'disabled') return [];
  const found = new Set(JSON.stringify({ metadata, ...object }).match(/\$\{[^}"]*\}?/g) ?? []);
  return [...found].map((text) => `Flux would replace ${text}: ${SUBSTITUTE}: disabled is missing`);
}
