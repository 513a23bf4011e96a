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

/** `sys/policies/acl/…` and the older `sys/policy/…`, which differ in a field's name and in the lists. */
export function handlePolicies(
  call: VaultCall,
  namespace: VaultNamespace,
  name: string,
  isOld: boolean,
): VaultAnswer {
  const { policies } = namespace;
  if (name === '') {
    if (call.operation !== 'list' && !(isOld && call.operation === 'read')) throw unsupportedOperation();
    const keys = [...policies.keys(), 'root'].sort();
    return { status: 200, data: goJson(isOld ? { keys, policies: keys } : { keys }), flat: isOld };
  }
  const key = name.toLowerCase();
  switch (call.operation) {
    case 'create':
    case 'update':
      return writePolicy(call, namespace, key, isOld);
    case 'read': {
      const text = key === 'root' ? '' : policies.get(key)?.text;
      if (text === undefined) throw notFound();
      const data = isOld ? { name: key, rules: text } : { name: key, policy: text };
      return { status: 200, data: goJson(data), flat: isOld };
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

function writePolicy(call: VaultCall, namespace: VaultNamespace, key: string, isOld: boolean): VaultAnswer {
  const old = isOld && !call.body.has('policy') ? textField(call, 'rules') : '';
  const sent = textField(call, 'policy') || old;
  if (sent === '') throw badRequest("'policy' parameter not supplied or empty");
  if (key === 'root') throw badRequest('cannot update "root" policy');
  const text = decoded(sent);
  namespace.policies.set(key, { text, rules: parsePolicy(text) });
  if (old === '') return NO_CONTENT;
  return { status: 200, warnings: ["'rules' is deprecated, please use 'policy' instead"] };
}

/** A policy may come in base64. */
function decoded(text: string): string {
  const isBase64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text);
  return isBase64 ? Buffer.from(text, 'base64').toString() : text;
}
