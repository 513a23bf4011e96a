import { AuthorError } from '../author-error.js';

export interface ResourceName {
  readonly namespace?: string;
  readonly name: string;
}

/** RFC 1123, as Kubernetes checks names of resources and of namespaces. */
const LABEL = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;

/** @throws AuthorError unless it is `[NAMESPACE/]NAME`. */
export function parseResourceName(text: string): ResourceName {
  const parts = text.split('/');
  const name = parts.at(-1) ?? '';
  const namespace = parts.length === 2 ? parts[0] : undefined;
  const isValid =
    parts.length <= 2 &&
    SUBDOMAIN.test(name) &&
    name.length <= 253 &&
    (namespace === undefined || LABEL.test(namespace));
  if (!isValid) {
    throw new AuthorError(
      '--as must be NAME or NAMESPACE/NAME, of lower-case letters, digits and hyphens, such as team/web',
    );
  }
  return namespace === undefined ? { name } : { namespace, name };
}
