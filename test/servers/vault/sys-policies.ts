import { textField } from './fields.js';
import type { VaultNamespace } from './namespaces.js';
import { parsePolicy } from './policies.js';
import {
  badRequest,
  NO_CONTENT,
  notFound,
  unsupportedOperation,
  type VaultAnswer,
  type VaultCall,
} from './protocol.js';
import { goJson } from './raw-json.js';

/** `sys/policies/acl/…`. */
export function handlePolicies(call: VaultCall, namespace: VaultNamespace, name: string): VaultAnswer {
  const { policies } = namespace;
  if (name === '') {
    throw unsupportedOperation();
  }
  const key = name.toLowerCase();
  switch (call.operation) {
    case 'create':
    case 'update':
      return writePolicy(call, namespace, key);
    case 'read': {
      const text = key === 'root' ? '' : policies.get(key)?.text;
      if (text === undefined) throw notFound();
      return { status: 200, data: goJson({ name: key, policy: text }) };
    }
    case 'delete':
      if (key === 'root') throw badRequest('cannot delete "root" policy');
      if (key === 'default') throw badRequest('cannot delete default policy');
      policies.delete(key);
      return NO_CONTENT;
    default:
      throw unsupportedOperation();
  }
}

function writePolicy(call: VaultCall, namespace: VaultNamespace, key: string): VaultAnswer {
  const sent = textField(call, 'policy');
  if (sent === '') throw badRequest("'policy' parameter not supplied or empty");
  if (key === 'root') throw badRequest('cannot update "root" policy');
  const text = decoded(sent);
  namespace.policies.set(key, { text, rules: parsePolicy(text) });
  return NO_CONTENT;
}

/** A policy may come in base64. */
function decoded(text: string): string {
  const isBase64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text);
  return isBase64 ? Buffer.from(text, 'base64').toString() : text;
}
