import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { table, TableTarget } from './table-target.js';

const PATH = 'path \\"x\\" ';

const ROWS = String.raw`
no such endpoint | GET sys/nope | | 404 {"errors":["1 error occurred:\n\t* unsupported path\n\n"]}
mount v2 | POST sys/mounts/{id}-kv | {"type":"kv","options":{"version":"2"},"description":"d"} | 204
options | OPTIONS {id}-kv/data/a | | 405 {"errors":["1 error occurred:\n\t* unsupported operation\n\n"]}
mount again | POST sys/mounts/{id}-kv | {"type":"kv"} | 400 {"errors":["path is already in use at {id}-kv/"]}
mount below | POST sys/mounts/{id}-kv/deeper | {"type":"kv"} | 400 {"errors":["path is already in use at {id}-kv/"]}
mount deep | POST sys/mounts/{id}-a/b/c | {"type":"kv-v2"} | 204
mount above | POST sys/mounts/{id}-a | {"type":"kv"} | 400 {"errors":["path is already in use at {id}-a/b/c/"]}
mount without options | POST sys/mounts/{id}-plain | {"type":"kv"} | 204
mount of the old name | POST sys/mounts/{id}-gen | {"type":"generic"} | 204
mount of no type | POST sys/mounts/{id}-y | {} | 400 {"errors":["backend type must be specified as a string"]}
mount of an unknown type | POST sys/mounts/{id}-y | {"type":"nope-{id}"} | 400 {"errors":["plugin not found in the catalog: nope-{id}"]}
version 3 | POST sys/mounts/{id}-y | {"type":"kv","options":{"version":"3"}} | 400 {"errors":["nil backend of type \"kv\" returned from factory"]}
generic has no versions | POST sys/mounts/{id}-y | {"type":"generic","options":{"version":"2"}} | 400 {"errors":["secrets engine \"generic\" does not allow setting a version"]}
cubbyhole again | POST sys/mounts/{id}-y | {"type":"cubbyhole"} | 400 {"errors":["mount type of \"cubbyhole\" is not mountable"]}
over sys | POST sys/mounts/sys | {"type":"kv"} | 400 {"errors":["cannot mount \"sys/\""]}
look up v2 | GET sys/internal/ui/mounts/{id}-kv/data/a | | 200 {"data":{"path":"{id}-kv/","type":"kv","options":{"version":"2"},"description":"d","local":false,"seal_wrap":false}}
look up a deep one | GET sys/internal/ui/mounts/{id}-a/b/c/data/x | | 200 {"data":{"path":"{id}-a/b/c/","options":{"version":"2"}}}
look up above it | GET sys/internal/ui/mounts/{id}-a/b | | 403
without options | GET sys/internal/ui/mounts/{id}-plain | | 200 {"data":{"type":"kv","options":{}}}
generic | GET sys/internal/ui/mounts/{id}-gen/x | | 200 {"data":{"type":"generic","options":{}}}
cubbyhole | GET sys/internal/ui/mounts/cubbyhole/a | | 200 {"data":{"path":"cubbyhole/","type":"cubbyhole","options":null,"local":true}}
an auth mount | GET sys/internal/ui/mounts/auth/token | | 200 {"data":{"path":"token/","type":"token","options":null}}
read a mount | GET sys/mounts/{id}-kv | | 200 {"type":"kv","options":{"version":"2"},"data":{"type":"kv"}}
read none | GET sys/mounts/{id}-none | | 400 {"errors":["No secret engine mount at {id}-none/"]}
list mounts | GET sys/mounts | | 200 {"{id}-kv/":{"type":"kv"},"sys/":{"type":"system"},"data":{"{id}-gen/":{"type":"generic"}}}
unmount | DELETE sys/mounts/{id}-gen | | 204
unmount none | DELETE sys/mounts/{id}-none | | 204
unmount sys | DELETE sys/mounts/sys | | 400 {"errors":["cannot unmount \"sys/\""]}
enable | POST sys/auth/{id}-up | {"type":"userpass"} | 204
enable again | POST sys/auth/{id}-up | {"type":"userpass"} | 400 {"errors":["path is already in use at {id}-up/"]}
enable unknown | POST sys/auth/{id}-z | {"type":"nope-{id}"} | 400 {"errors":["plugin not found in the catalog: nope-{id}"]}
read an auth mount | GET sys/auth/{id}-up | | 200 {"type":"userpass","data":{"type":"userpass"}}
read no auth mount | GET sys/auth/{id}-none | | 400 {"errors":["No auth engine at {id}-none/"]}
list auth mounts | GET sys/auth | | 200 {"{id}-up/":{"type":"userpass"},"token/":{"type":"token"}}
the token method stays | DELETE sys/auth/token | | 400 {"errors":["token credential backend cannot be disabled"]}
disable | DELETE sys/auth/{id}-up | | 204
policy in HCL | PUT sys/policies/acl/{id}-p | {"policy":"${PATH}{ capabilities = [\"read\"] }"} | 204
read it | GET sys/policies/acl/{id}-P | | 200 {"data":{"name":"{id}-p","policy":"${PATH}{ capabilities = [\"read\"] }"}}
unknown capability | PUT sys/policies/acl/{id}-p | {"policy":"${PATH}{ capabilities = [\"nope\"] }"} | 400 {"errors":["failed to parse policy: path \"x\": invalid capability \"nope\""]}
unknown key | PUT sys/policies/acl/{id}-p | {"policy":"${PATH}{ capabilitie = [\"read\"] }"} | 400 {"errors":["failed to parse policy: 1 error occurred:\n\t* path \"x\": invalid key \"capabilitie\" on line 1\n\n"]}
unclosed | PUT sys/policies/acl/{id}-p | {"policy":"${PATH}{ capabilities = [\"read\"] "} | 400 ~ failed to parse policy:
garbage | PUT sys/policies/acl/{id}-p | {"policy":"garbage"} | 400 ~ failed to parse policy:
two wildcards | PUT sys/policies/acl/{id}-p | {"policy":"path \"x/+*\" { capabilities = [\"read\"] }"} | 400 {"errors":["failed to parse policy: path \"x/+*\": invalid use of wildcards ('+*' is forbidden)"]}
empty | PUT sys/policies/acl/{id}-p | {} | 400 {"errors":["'policy' parameter not supplied or empty"]}
no such policy | GET sys/policies/acl/{id}-none | | 404 {"errors":[]}
root cannot be deleted | DELETE sys/policies/acl/root | | 400 {"errors":["cannot delete \"root\" policy"]}
nor can default | DELETE sys/policies/acl/default | | 400 {"errors":["cannot delete default policy"]}
reading the list | GET sys/policies/acl | | 405 {"errors":["1 error occurred:\n\t* unsupported operation\n\n"]}
delete | DELETE sys/policies/acl/{id}-p | | 204
delete again | DELETE sys/policies/acl/{id}-p | | 204
namespace | POST sys/namespaces/{id} | {} | 200 {"data":{"path":"{id}/"}}
the same again | POST sys/namespaces/{id} | {} | 200 {"data":{"path":"{id}/"}}
with a slash | POST sys/namespaces/a/b | {} | 400 {"errors":["namespace name cannot contain /"]}
reserved | POST sys/namespaces/root | {} | 400 {"errors":["\"root/\" is a reserved path and cannot be used as a namespace name"]}
a form | POST:form {id}-a/b/c/data/x | a=b | 400 {"errors":["no data provided"]}
`;

let target: TableTarget;

beforeAll(async () => {
  target = await TableTarget.start();
});

afterAll(async () => {
  for (const mount of ['kv', 'a/b/c', 'plain']) await target.must('DELETE', `sys/mounts/{id}-${mount}`);
  await target.close();
});

describe('sys', () => {
  it.each(table(ROWS))('$title: $method $path is $status', async (row) => {
    const { got, wanted } = await target.answerOf(row);
    expect(got).toMatchObject(wanted);
  });

  it('has separate mounts in a namespace, selected by header or by path', async () => {
    const headers = { 'x-vault-namespace': `/${target.id}/` };
    const made = await target.send(
      'POST',
      'sys/mounts/kv',
      { type: 'kv', options: { version: '2' } },
      { headers },
    );
    expect(made.status).toBe(204);
    const written = await target.send('POST', 'kv/data/a', { data: { x: '1' } }, { headers });
    expect(written.status).toBe(200);
    expect((await target.send('GET', '{id}/kv/data/a')).json.data.data).toEqual({ x: '1' });
    const missing = await target.send('GET', 'other/a', '', { headers });
    expect(missing.json).toEqual({
      errors: ['no handler for route "other/a". route entry not found.'],
    });
    await target.addToken('inside', 'path "{id}/kv/data/*" { capabilities = ["read"] }');
    const read = await target.send('GET', 'kv/data/a', '', { headers, who: 'inside' });
    expect(read.status).toBe(200);
    const lookup = await target.send('GET', 'sys/internal/ui/mounts/kv/data/a', '', {
      headers,
      who: 'inside',
    });
    expect(lookup.json.data).toMatchObject({ path: 'kv/', options: { version: '2' } });
    await target.must('DELETE', 'sys/policies/acl/{id}-inside');
    await target.must('DELETE', 'sys/namespaces/{id}');
  });

  it.each(['{id}-kv/data/a', 'auth/token/lookup-self', 'sys/internal/ui/mounts/{id}-kv', 'auth/x/login'])(
    'answers 404 for an unknown namespace at %s',
    async (path) => {
      const headers = { 'x-vault-namespace': `${target.id}-unknown` };
      const { status, json } = await target.send('GET', path, '', { headers });
      expect({ status, json }).toEqual({ status: 404, json: { errors: ['namespace not found'] } });
    },
  );
});
