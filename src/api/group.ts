/** Names of the API group and its kinds; a change here is a breaking change for every manifest. */

export const GROUP = 'k8s.patoarvizu.dev';
export const VERSION = 'v1alpha1';
export const API_VERSION = `${GROUP}/${VERSION}`;

/** Set by the user only; the operator removes it but never adds it. */
export const DELETE_FINALIZER = 'delete.k8s.patoarvizu.dev';

/** Set by the user only: each new value asks for one full sync. */
export const RECONCILE_AT_ANNOTATION = 'kms-vault.patoarvizu.dev/reconcile-at';

export const SECRET_KIND = 'KMSVaultSecret';
export const PARTIAL_KIND = 'PartialKMSVaultSecret';
export type Kind = typeof SECRET_KIND | typeof PARTIAL_KIND;

export const PLURALS: Readonly<Record<Kind, string>> = {
  [SECRET_KIND]: 'kmsvaultsecrets',
  [PARTIAL_KIND]: 'partialkmsvaultsecrets',
};
