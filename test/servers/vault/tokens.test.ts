import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { table, TableTarget } from './table-target.js';

const DENIED = '{"errors":["1 error occurred:\\n\\t* permission denied\\n\\n"]}';

const PERMISSIONS = String.raw`
read where only writing is allowed | GET@narrow {id}-v2/data/app/x | | 403 ${DENIED}
write where allowed | POST@narrow {id}-v2/data/app/x | {"data":{"a":"b"}} | 200 {"data":{"version":1}}
write where only reading is allowed | POST@narrow {id}-v2/data/ro | {"data":{"a":"b"}} | 403 ${DENIED}
read what is missing | GET@narrow {id}-v2/data/ro | | 404 {"errors":[]}
a mount that is not there | GET@narrow {id}-none/a | | 403 ${DENIED}
create where create is allowed | POST@narrow {id}-v1/create/a | {"a":"b"} | 204
update where only create is | POST@narrow {id}-v1/create/a | {"a":"c"} | 403 ${DENIED}
create where only update is | POST@narrow {id}-v1/update/a | {"a":"b"} | 403 ${DENIED}
no token | GET@nobody {id}-v2/data/ro | | 403 {"errors":["permission denied"]}
own mounts need no permission | GET@narrow sys/internal/ui/mounts/{id}-v2/data/elsewhere | | 200 {"data":{"path":"{id}-v2/","type":"kv","options":{"version":"2"}}}
nor the default policy | GET@bare sys/internal/ui/mounts/{id}-v2 | | 200 {"data":{"path":"{id}-v2/"}}
a mount without a rule | GET@bare sys/internal/ui/mounts/{id}-v1/a | | 403 {"errors":["preflight capability check returned 403, please ensure client's policies grant access to path \"{id}-v1/a/\""]}
a mount that is not there, to anybody | GET@narrow sys/internal/ui/mounts/{id}-none/a | | 403 {"errors":["preflight capability check returned 403, please ensure client's policies grant access to path \"{id}-none/a/\""]}
and to root | GET sys/internal/ui/mounts/{id}-none/a | | 403 {"errors":["preflight capability check returned 403, please ensure client's policies grant access to path \"{id}-none/a/\""]}
no token at all | GET@nobody sys/internal/ui/mounts/{id}-v2 | | 403 {"errors":["permission denied"]}
a deny over the whole mount shows it | GET@denied-bare sys/internal/ui/mounts/{id}-v2/data/x | | 200 {"data":{"path":"{id}-v2/"}}
but not beside the default policy | GET@denied sys/internal/ui/mounts/{id}-v2/data/x | | 403
a deny below it does not | GET@denied-below sys/internal/ui/mounts/{id}-v2/data/x | | 403
a pattern with a segment shows it | GET@segments sys/internal/ui/mounts/{id}-v2/data/x | | 200
the list shows what is allowed | GET@bare sys/internal/ui/mounts | | 200 {"data":{"secret":{"{id}-v2/":{"type":"kv"}}}}
look-up without the default policy | GET@bare auth/token/lookup-self | | 403 ${DENIED}
without sudo no auth mount | POST@narrow sys/auth/{id}-x | {"type":"userpass"} | 403 ${DENIED}
exact before pattern | GET@priority {id}-v1/p/exact | | 404
pattern with a later wildcard first | GET@priority {id}-v1/p/a/b | | 403 ${DENIED}
segment | GET@priority {id}-v1/p/x/c | | 404
prefix | GET@priority {id}-v1/p/x/d | | 403 ${DENIED}
two policies for one path add up | GET@both {id}-v1/sum | | 404
the other half | POST@both {id}-v1/sum | {"a":"b"} | 204
`;

const LIVES = String.raw`
look-up of root | GET auth/token/lookup-self | | 200 {"data":{"policies":["root"],"ttl":0,"expire_time":null,"renewable":false,"orphan":true,"type":"service","creation_ttl":0}}
look-up | GET@narrow auth/token/lookup-self | | 200 {"data":{"policies":["default","{id}-narrow"],"creation_ttl":3600,"display_name":"token","explicit_max_ttl":0,"meta":null,"num_uses":0,"orphan":false,"path":"auth/token/create","renewable":true,"type":"service"}}
look-up of a batch token | GET@batch auth/token/lookup-self | | 200 {"data":{"accessor":"","renewable":false,"type":"batch","policies":["default","{id}-batch"]}}
look-up of a periodic token | GET@periodic auth/token/lookup-self | | 200 {"data":{"period":3600,"renewable":true}}
renew root | POST auth/token/renew-self | {} | 400 {"errors":["lease is not renewable"]}
renew | POST@narrow auth/token/renew-self | {} | 200 {"auth":{"lease_duration":3600,"renewable":true,"token_type":"service","orphan":false,"num_uses":0,"metadata":null}}
renew for longer | PUT@narrow auth/token/renew-self | {"increment":"2h"} | 200 {"auth":{"lease_duration":7200}}
renew for shorter | POST@narrow auth/token/renew-self | {"increment":60} | 200 {"auth":{"lease_duration":60}}
renew what is not renewable | POST@fixed auth/token/renew-self | {} | 400 {"errors":["lease is not renewable"]}
renew a batch token | POST@batch auth/token/renew-self | {} | 400 {"errors":["batch tokens cannot be renewed"]}
revoke a batch token | POST@batch auth/token/revoke-self | {} | 400 {"errors":["batch tokens cannot be revoked"]}
renew beyond the maximum | POST@capped auth/token/renew-self | {"increment":"1h"} | 200 ~ TTL of \"1h\" exceeded the effective max_ttl of \"1m
renew a periodic token as wished | POST@periodic auth/token/renew-self | {"increment":"2h"} | 200 {"auth":{"lease_duration":3600}}
first of two uses | GET@twice {id}-v2/data/ro | | 404
second | GET@twice {id}-v2/data/ro | | 404
third | GET@twice {id}-v2/data/ro | | 403 ~ permission denied
revoke | POST@once auth/token/revoke-self | {} | 204
revoked | GET@once {id}-v2/data/ro | | 403 ~ permission denied
revoked twice | POST@once auth/token/revoke-self | | 403 ~ permission denied
dead look-up | GET@once auth/token/lookup-self | | 403 ~ permission denied
dead renewal | POST@once auth/token/renew-self | {} | 403 ~ permission denied
no such policy | POST auth/token/create | {"policies":["{id}-nope"],"ttl":"1m"} | 200 {"warnings":["Policy \"{id}-nope\" does not exist"],"auth":{"policies":["default","{id}-nope"],"lease_duration":60}}
no policy: the parent's | POST@parent auth/token/create | {"ttl":"1m"} | 200 {"auth":{"policies":["default","{id}-parent"]}}
more than the parent's | POST@parent auth/token/create | {"policies":["{id}-narrow"]} | 400 {"errors":["child policies must be subset of parent"]}
an id without sudo | POST@parent auth/token/create | {"id":"x"} | 400 {"errors":["root or sudo privileges required to specify token id"]}
an orphan without sudo | POST@parent auth/token/create | {"no_parent":true} | 400 {"errors":["root or sudo privileges required to create orphan token"]}
a batch token with uses | POST auth/token/create | {"type":"batch","policies":["default"],"num_uses":2} | 400 {"errors":["batch tokens cannot have \"num_uses\" set"]}
a batch root token | POST auth/token/create | {"type":"batch"} | 400 {"errors":["batch tokens cannot be root tokens"]}
negative uses | POST auth/token/create | {"num_uses":-1} | 400 {"errors":["number of uses cannot be negative"]}
no duration | POST auth/token/create | {"ttl":"abc"} | 400 {"errors":["time: invalid duration \"abc\""]}
negative duration | POST auth/token/create | {"ttl":"-5"} | 400 {"errors":["ttl must be positive"]}
beyond the system's maximum | POST auth/token/create | {"policies":["default"],"ttl":"1000h"} | 200 {"warnings":["TTL of \"1000h\" exceeded the effective max_ttl of \"768h\"; TTL value is capped accordingly"],"auth":{"lease_duration":2764800}}
without the default policy | POST auth/token/create | {"policies":["{id}-narrow"],"no_default_policy":true,"ttl":"1m"} | 200 {"auth":{"policies":["{id}-narrow"]}}
reading create | GET auth/token/create | | 405 {"errors":["1 error occurred:\n\t* unsupported operation\n\n"]}
no such endpoint | GET auth/token/nope | | 404 {"errors":["1 error occurred:\n\t* unsupported path\n\n"]}
revoke nobody | POST auth/token/revoke | {"token":"nope"} | 204
`;

const POLICY = `
  # Comments and both kinds of quotes of a list end.
  path "{id}-v2/data/app/*" { capabilities = ["create", "update"] }
  path "{id}-v2/data/ro" { capabilities = ["read",] }
  path "{id}-v1/create/*" { capabilities = ["create"] }
  path "{id}-v1/update/*" { capabilities = ["update"] }
  path "sys/auth/*" { capabilities = ["create", "update"] }
`;

const PRIORITY = `
  path "{id}-v1/p/*" { capabilities = ["deny"] }
  path "{id}-v1/p/+/c" { capabilities = ["read"] }
  path "{id}-v1/p/a/*" { capabilities = ["list"] }
  path "{id}-v1/p/exact" { capabilities = ["read"] }
  path "{id}-v1/list" { capabilities = ["list"] }
`;

let target: TableTarget;

beforeAll(async () => {
  target = await TableTarget.start();
  await target.must('POST', 'sys/mounts/{id}-v1', { type: 'kv', options: { version: '1' } });
  await target.must('POST', 'sys/mounts/{id}-v2', { type: 'kv', options: { version: '2' } });
  const inV2 = 'path "{id}-v2/data/ro" { capabilities = ["read"] }';
  await target.addToken('narrow', POLICY);
  await target.addToken('bare', inV2, { no_default_policy: true });
  await target.addToken('denied', 'path "{id}-v2/*" { capabilities = ["deny"] }');
  await target.addToken('denied-bare', 'path "{id}-v2/*" { capabilities = ["deny"] }', {
    no_default_policy: true,
  });
  await target.addToken('denied-below', 'path "{id}-v2/data/x" { capabilities = ["deny"] }');
  await target.addToken('segments', 'path "+/data/+" { capabilities = ["read"] }');
  await target.addToken('priority', PRIORITY);
  await target.addToken('reads', 'path "{id}-v1/sum" { capabilities = ["read"] }');
  await target.addToken('both', 'path "{id}-v1/sum" { capabilities = ["create"] }', {
    policies: ['{id}-both', '{id}-reads'],
  });
  await target.addToken('parent', 'path "auth/token/create" { capabilities = ["update"] }');
  await target.addToken('batch', inV2, { type: 'batch' });
  await target.addToken('periodic', inV2, { period: '1h' });
  await target.addToken('fixed', inV2, { renewable: false });
  await target.addToken('capped', inV2, { explicit_max_ttl: '90s' });
  await target.addToken('twice', inV2, { num_uses: 2 });
  await target.addToken('once', inV2);
});

afterAll(async () => {
  await target.must('DELETE', 'sys/mounts/{id}-v1');
  await target.must('DELETE', 'sys/mounts/{id}-v2');
  for (const name of target.tokens.keys()) await target.must('DELETE', `sys/policies/acl/{id}-${name}`);
  await target.close();
});

describe('permissions', () => {
  it.each(table(PERMISSIONS))('$title: $method $path of $who is $status', async (row) => {
    const { got, wanted } = await target.answerOf(row);
    expect(got).toMatchObject(wanted);
  });

  it('accepts a bearer token, too', async () => {
    const headers = { authorization: `Bearer ${target.tokens.get('narrow') ?? ''}` };
    const { status } = await target.send('GET', '{id}-v2/data/ro', '', { who: 'nobody', headers });
    expect(status).toBe(404);
  });

  it('lists only the mounts that a policy of the token covers', async () => {
    const { data } = await target.must('GET', 'sys/internal/ui/mounts', '', 'bare');
    expect(Object.keys(data.secret)).toEqual([`${target.id}-v2/`]);
  });
});

describe('the lifetime of a token', () => {
  it.each(table(LIVES))('$title: $method $path of $who is $status', async (row) => {
    const { got, wanted } = await target.answerOf(row);
    expect(got).toMatchObject(wanted);
  });

  it('revokes children with their parent, but not orphans', async () => {
    const { auth: parent } = await target.must('POST', 'auth/token/create', { ttl: '5m' });
    target.tokens.set('mother', parent.client_token);
    const { auth: child } = await target.must('POST', 'auth/token/create', { ttl: '1m' }, 'mother');
    const { auth: orphan } = await target.must('POST', 'auth/token/create-orphan', { ttl: '1m' }, 'mother');
    target.tokens.set('child', child.client_token).set('orphan', orphan.client_token);
    await target.must('POST', 'auth/token/revoke', { token: parent.client_token });
    const alive = async (who: string): Promise<number> =>
      (await target.send('GET', 'auth/token/lookup-self', '', { who })).status;
    expect(await Promise.all(['mother', 'child', 'orphan'].map(alive))).toEqual([403, 403, 200]);
  });

  it('ends below a prefix of leases, by whole segments', async () => {
    const mount = `auth/${target.id}-up`;
    await target.must('POST', `sys/${mount}`, { type: 'userpass' });
    for (const user of ['a', 'ab']) {
      await target.must('POST', `${mount}/users/${user}`, { password: 'p' });
      const { auth } = await target.must('POST', `${mount}/login/${user}`, { password: 'p' }, 'nobody');
      target.tokens.set(user, auth.client_token);
    }
    const alive = async (who: string): Promise<number> =>
      (await target.send('GET', 'auth/token/lookup-self', '', { who })).status;
    const revoke = async (prefix: string, body: object = {}, who = 'root'): Promise<number> =>
      (await target.send('POST', `sys/leases/revoke-prefix/${prefix}`, body, { who })).status;
    expect(await revoke(`${mount}/login/a`, {}, 'ab')).toBe(403);
    expect(await revoke(`${mount}/login/a`)).toBe(204);
    expect(await Promise.all(['a', 'ab'].map(alive))).toEqual([403, 200]);
    expect(await revoke(`${mount}/login`)).toBe(204);
    expect(await alive('ab')).toBe(403);
    expect(await revoke('no/such/lease', { sync: false })).toBe(202);
    await target.must('DELETE', `sys/${mount}`);
    for (const user of ['a', 'ab']) target.tokens.delete(user);
  });

  it('expires', async () => {
    await target.addToken('short', 'path "{id}-v2/data/ro" { capabilities = ["read"] }', { ttl: '1s' });
    const read = async (): Promise<number> =>
      (await target.send('GET', '{id}-v2/data/ro', '', { who: 'short' })).status;
    expect(await read()).toBe(404);
    const deadline = Date.now() + 10_000;
    while ((await read()) !== 403 && Date.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await read()).toBe(403);
  });
});
