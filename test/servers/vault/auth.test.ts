import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { table, TableTarget } from './table-target.js';

const NO_ROLE =
  '{"errors":["1 error occurred:\\n\\t* at least one constraint should be enabled on the role\\n\\n"]}';

const USERPASS = String.raw`
user without a password | POST auth/{id}-up/users/u1 | {} | 400 {"errors":["missing password"]}
user | POST auth/{id}-up/users/u1 | {"password":"pw","token_policies":"{id}-p","token_ttl":"10m"} | 204
another setting | POST auth/{id}-up/users/u1 | {"token_max_ttl":"20m"} | 204
right | POST@nobody auth/{id}-up/login/u1 | {"password":"pw"} | 200 {"data":null,"auth":{"policies":["default","{id}-p"],"token_policies":["default","{id}-p"],"metadata":{"username":"u1"},"lease_duration":600,"renewable":true,"token_type":"service","orphan":true,"num_uses":0,"mfa_requirement":null}}
upper case | POST@nobody auth/{id}-up/login/U1 | {"password":"pw"} | 200 {"auth":{"metadata":{"username":"u1"}}}
a dead token does not matter | POST@dead auth/{id}-up/login/u1 | {"password":"pw"} | 200
wrong password | POST@nobody auth/{id}-up/login/u1 | {"password":"no"} | 400 {"errors":["invalid username or password"]}
wrong user | POST@nobody auth/{id}-up/login/nobody | {"password":"no"} | 400 {"errors":["invalid username or password"]}
no password | POST@nobody auth/{id}-up/login/u1 | {} | 500 {"errors":["missing password"]}
no user | POST@nobody auth/{id}-up/login/ | {"password":"pw"} | 400 {"errors":["cannot write to a path ending in '/'"]}
read a login | GET@nobody auth/{id}-up/login/u1 | | 405 {"errors":["unsupported operation"]}
malformed | POST@nobody auth/{id}-up/login/u1 | { | 400 {"errors":["error parsing JSON"]}
ttl beyond the maximum | POST auth/{id}-up/users/u2 | {"password":"p","token_ttl":"2h","token_max_ttl":"1h"} | 400 {"errors":["'token_ttl' cannot be greater than 'token_max_ttl'"]}
unknown type | POST auth/{id}-up/users/u2 | {"password":"p","token_type":"xx"} | 400 {"errors":["invalid 'token_type' value \"xx\""]}
periodic batch tokens | POST auth/{id}-up/users/u2 | {"password":"p","token_type":"batch","token_period":"1h"} | 400 {"errors":["'token_type' cannot be 'batch' or 'default_batch' when set to generate periodic tokens"]}
root by a login | POST auth/{id}-up/users/u2 | {"password":"p","token_policies":"root"} | 204
is refused | POST@nobody auth/{id}-up/login/u2 | {"password":"p"} | 400 {"errors":["auth methods cannot create root tokens"]}
periodic | POST auth/{id}-up/users/u3 | {"password":"p","token_period":"30m","token_no_default_policy":true,"token_num_uses":5} | 204
as it says | POST@nobody auth/{id}-up/login/u3 | {"password":"p"} | 200 {"auth":{"lease_duration":1800,"num_uses":5}}
wrong mount | POST@nobody auth/{id}-none/login/u1 | {"password":"pw"} | 403 {"errors":["permission denied"]}
wrong mount with a token | POST auth/{id}-none/login/u1 | {"password":"pw"} | 404 {"errors":["no handler for route \"auth/{id}-none/login/u1\". route entry not found."]}
wrong path without a token | POST@nobody auth/{id}-up/nope | {} | 403 {"errors":["permission denied"]}
wrong path | GET auth/{id}-up/nope | | 404 {"errors":["1 error occurred:\n\t* unsupported path\n\n"]}
`;

const APPROLE = String.raw`
a role that binds nothing | POST auth/{id}-ar/role/r1 | {"bind_secret_id":false} | 500 ${NO_ROLE}
role | POST auth/{id}-ar/role/r1 | {"role_id":"{id}-rid","token_policies":"{id}-p","token_ttl":"10m","secret_id_num_uses":2,"secret_id_ttl":"1h"} | 204
role id | GET auth/{id}-ar/role/r1/role-id | | 200 {"data":{"role_id":"{id}-rid"}}
the same id twice | POST auth/{id}-ar/role/r2 | {"role_id":"{id}-rid"} | 500 {"errors":["1 error occurred:\n\t* role_id already in use\n\n"]}
secret id | POST auth/{id}-ar/role/r1/secret-id | {} | 200 {"data":{"secret_id_num_uses":2,"secret_id_ttl":3600}}
secret id of no role | POST auth/{id}-ar/role/zz/secret-id | | 404 {"errors":["role \"zz\" does not exist"]}
one of our own | POST auth/{id}-ar/role/r1/custom-secret-id | {"secret_id":"sid"} | 200 {"data":{"secret_id":"sid","secret_id_num_uses":2}}
right | POST@nobody auth/{id}-ar/login | {"role_id":"{id}-rid","secret_id":"sid"} | 200 {"auth":{"policies":["default","{id}-p"],"metadata":{"role_name":"r1"},"lease_duration":600,"renewable":true,"token_type":"service","orphan":true}}
second use | POST@nobody auth/{id}-ar/login | {"role_id":"{id}-rid","secret_id":"sid"} | 200
used up | POST@nobody auth/{id}-ar/login | {"role_id":"{id}-rid","secret_id":"sid"} | 400 {"errors":["invalid role or secret ID"]}
one more | POST auth/{id}-ar/role/r1/custom-secret-id | {"secret_id":"gone"} | 200
destroy | POST auth/{id}-ar/role/R1/secret-id/destroy | {"secret_id":"gone"} | 204
destroyed | POST@nobody auth/{id}-ar/login | {"role_id":"{id}-rid","secret_id":"gone"} | 400 {"errors":["invalid role or secret ID"]}
another | POST auth/{id}-ar/role/r1/custom-secret-id | {"secret_id":"gone"} | 200
destroy by DELETE | DELETE auth/{id}-ar/role/r1/secret-id/destroy?secret_id=gone | | 204
destroyed too | POST@nobody auth/{id}-ar/login | {"role_id":"{id}-rid","secret_id":"gone"} | 400 {"errors":["invalid role or secret ID"]}
destroy what is not there | POST auth/{id}-ar/role/r1/secret-id/destroy | {"secret_id":"gone"} | 204
destroy nothing | POST auth/{id}-ar/role/r1/secret-id/destroy | {} | 400 {"errors":["missing secret_id"]}
destroy of no role | POST auth/{id}-ar/role/Zz/secret-id/destroy | {"secret_id":"gone"} | 500 {"errors":["1 error occurred:\n\t* role \"Zz\" does not exist\n\n"]}
read what destroys | GET auth/{id}-ar/role/r1/secret-id/destroy | | 405
wrong secret id | POST@nobody auth/{id}-ar/login | {"role_id":"{id}-rid","secret_id":"nope"} | 400 {"errors":["invalid role or secret ID"]}
wrong role id | POST@nobody auth/{id}-ar/login | {"role_id":"nope","secret_id":"sid"} | 400 {"errors":["invalid role or secret ID"]}
no secret id | POST@nobody auth/{id}-ar/login | {"role_id":"{id}-rid"} | 400 {"errors":["missing secret_id"]}
no role id | POST@nobody auth/{id}-ar/login | {"secret_id":"sid"} | 500 {"errors":["missing role_id"]}
blanks around both | POST auth/{id}-ar/role/rt | {"role_id":"{id}-t"} | 204
its secret id | POST auth/{id}-ar/role/rt/custom-secret-id | {"secret_id":"st"} | 200
are left out | POST@nobody auth/{id}-ar/login | {"role_id":" {id}-t\n","secret_id":"\tst "} | 200
blanks alone | POST@nobody auth/{id}-ar/login | {"role_id":" ","secret_id":"st"} | 500 {"errors":["missing role_id"]}
bound to blocks | POST auth/{id}-ar/role/rc | {"role_id":"{id}-c","bind_secret_id":false,"token_bound_cidrs":["10.0.0.0/8","127.0.0.0/8"]} | 204
its login | POST@nobody auth/{id}-ar/login | {"role_id":"{id}-c"} | 200
bound elsewhere | POST auth/{id}-ar/role/rd | {"role_id":"{id}-d","bind_secret_id":false,"secret_id_bound_cidrs":"10.0.0.0/8"} | 204
its login | POST@nobody auth/{id}-ar/login | {"role_id":"{id}-d"} | 400 ~ unauthorized by CIDR restrictions on the role
more uses than the role allows | POST auth/{id}-ar/role/r1/secret-id | {"num_uses":0} | 400 {"errors":["num_uses cannot be higher than the role's secret_id_num_uses"]}
a longer life | POST auth/{id}-ar/role/r1/secret-id | {"ttl":"2h"} | 400 {"errors":["ttl cannot be longer than the role's secret_id_ttl"]}
batch role | POST auth/{id}-ar/role/rb | {"role_id":"{id}-b","token_type":"batch","token_ttl":"5m"} | 204
its secret id | POST auth/{id}-ar/role/rb/custom-secret-id | {"secret_id":"sb"} | 200
its token | POST@nobody auth/{id}-ar/login | {"role_id":"{id}-b","secret_id":"sb"} | 200 {"auth":{"accessor":"","renewable":false,"token_type":"batch","lease_duration":300}}
delete | DELETE auth/{id}-ar/role/rb | | 204
`;

let target: TableTarget;

beforeAll(async () => {
  target = await TableTarget.start();
  target.tokens.set('dead', 'hvs.dead');
  await target.must('PUT', 'sys/policies/acl/{id}-p', { policy: 'path "x" { capabilities = ["read"] }' });
  await target.must('POST', 'sys/auth/{id}-up', { type: 'userpass' });
  await target.must('POST', 'sys/auth/{id}-ar', { type: 'approle' });
});

afterAll(async () => {
  for (const mount of ['up', 'ar']) await target.must('DELETE', `sys/auth/{id}-${mount}`);
  await target.must('DELETE', 'sys/policies/acl/{id}-p');
  await target.close();
});

describe('userpass', () => {
  it.each(table(USERPASS))('$title: $method $path is $status', async (row) => {
    const { got, wanted } = await target.answerOf(row);
    expect(got).toMatchObject(wanted);
  });

  it('limits the lifetime of its tokens, renewals included', async () => {
    const user = { password: 'p', token_ttl: '5m', token_max_ttl: '20m' };
    await target.must('POST', 'auth/{id}-up/users/u4', user);
    const { auth } = await target.must('POST', 'auth/{id}-up/login/u4', { password: 'p' }, 'nobody');
    target.tokens.set('u4', auth.client_token);
    const renewed = await target.must('POST', 'auth/token/renew-self', { increment: '1h' }, 'u4');
    expect(renewed.auth.lease_duration).toBeLessThanOrEqual(1200);
    expect(renewed.auth.lease_duration).toBeGreaterThan(1190);
    expect(renewed.warnings[0]).toMatch(/^TTL of "1h" exceeded the effective max_ttl of/);
    const { data } = await target.must('GET', 'auth/token/lookup-self', '', 'u4');
    expect(data).toMatchObject({
      display_name: `${target.id}-up-u4`,
      path: `auth/${target.id}-up/login/u4`,
      meta: { username: 'u4' },
      explicit_max_ttl: 0,
    });
  });
});

describe('approle', () => {
  it.each(table(APPROLE))('$title: $method $path is $status', async (row) => {
    const { got, wanted } = await target.answerOf(row);
    expect(got).toMatchObject(wanted);
  });
});
