import type { IncomingHttpHeaders } from 'node:http';

import { type Authorizer, refusal } from './authorization.js';
import type { UserInfo } from './objects.js';
import { forbidden } from './status-errors.js';

/**
 * Who a request is to be judged as: `kubectl --as` and `--as-group` send `Impersonate-` headers.
 *
 * @throws ApiError 403 when the user may not act as the other.
 */
export function impersonated(user: UserInfo, headers: IncomingHttpHeaders, authorizer: Authorizer): UserInfo {
  const name = headers['impersonate-user'];
  if (typeof name !== 'string') return user;
  const groupHeader = headers['impersonate-group'] ?? [];
  const groups = (typeof groupHeader === 'string' ? groupHeader.split(',') : groupHeader).map((one) =>
    one.trim(),
  );
  const account = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(name);
  const [, namespace = '', accountName = ''] = account ?? [];
  const wanted =
    account === null
      ? [{ resource: 'users', name }]
      : [{ resource: 'serviceaccounts', name: accountName, namespace }];
  for (const one of [...wanted, ...groups.map((group) => ({ resource: 'groups', name: group }))]) {
    const attributes = { verb: 'impersonate', apiGroup: '', ...one };
    if (!authorizer.allows(user, attributes)) {
      throw forbidden({ group: '', plural: one.resource }, one.name, refusal(user, attributes));
    }
  }
  const own = account === null ? [] : ['system:serviceaccounts', `system:serviceaccounts:${namespace}`];
  return { user: name, groups: [...own, ...groups, 'system:authenticated'] };
}
