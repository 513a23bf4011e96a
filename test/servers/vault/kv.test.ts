import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { table, TableTarget } from './table-target.js';

const V1 = String.raw`
read missing | GET {id}-v1/a |  | 404 {"errors":[]}
write | POST {id}-v1/a | {"x":"1","n":5,"l":[1,"b"]} | 204
read | GET {id}-v1/a |  | 200 {"data":{"x":"1","n":5,"l":[1,"b"]},"lease_duration":2764800,"renewable":false,"wrap_info":null,"warnings":null,"auth":null}
replace as a whole | PUT {id}-v1/a | {"y":"2"} | 204
read what replaced | GET {id}-v1/a |  | 200 ~ "data":{"y":"2"}
empty data | POST {id}-v1/a | {} | 400 {"errors":["missing data fields"]}
no body | POST {id}-v1/a |  | 400 {"errors":["missing data fields"]}
null | POST {id}-v1/a | null | 400 {"errors":["missing data fields"]}
no object | POST {id}-v1/a | ["x"] | 400 {"errors":["error parsing JSON"]}
broken JSON | POST {id}-v1/a | {"x": | 400 {"errors":["error parsing JSON"]}
text behind the JSON | POST {id}-v1/a | {"x":"1"} x | 400 {"errors":["error parsing JSON"]}
a v2 body is stored as it is | POST {id}-v1/data/z | {"data":{"p":"q"},"options":{"cas":0}} | 204
and read as it is | GET {id}-v1/data/z |  | 200 {"data":{"data":{"p":"q"},"options":{"cas":0}}}
read a folder | GET {id}-v1/data |  | 404 {"errors":[]}
patch | PATCH {id}-v1/a | {"y":"3"} | 405 {"errors":["1 error occurred:\n\t* unsupported operation\n\n"]}
a ttl among the data | POST {id}-v1/t | {"ttl":"1h","x":"1"} | 204
becomes the lease | GET {id}-v1/t |  | 200 {"data":{"ttl":"1h","x":"1"},"lease_duration":3600}
numbers | POST {id}-v1/n | {"n":12345678901234567890,"f":1.0,"e":1e3} | 204
come back digit for digit, keys sorted | GET {id}-v1/n |  | 200 ~ "data":{"e":1e3,"f":1.0,"n":12345678901234567890}
hostile keys | POST {id}-v1/p | {"__proto__":"a","constructor":"b","":"c"} | 204
come back | GET {id}-v1/p |  | 200 ~ "data":{"":"c","__proto__":"a","constructor":"b"}
equal keys | POST {id}-v1/d | {"a":"1","a":"2"} | 204
the last wins | GET {id}-v1/d |  | 200 ~ "data":{"a":"2"}
characters of HTML | POST {id}-v1/u | {"h":"<&>\u2028\u00e9\ud83d\ude00\u0000"} | 204
come back as Go escapes them | GET {id}-v1/u |  | 200 ~ "h":"\u003c\u0026\u003e\u2028é😀\u0000"
half a surrogate pair | POST {id}-v1/s | {"h":"\ud83d"} | 204
comes back as U+FFFD | GET {id}-v1/s |  | 200 {"data":{"h":"�"}}
a path with a slash at its end | POST {id}-v1/x/ | {"a":"b"} | 400 {"errors":["cannot write to a path ending in '/'"]}
delete | DELETE {id}-v1/a |  | 204
delete again | DELETE {id}-v1/a |  | 204
read deleted | GET {id}-v1/a |  | 404 {"errors":[]}
`;

const V2 = String.raw`
read missing | GET {id}-v2/data/a |  | 404 {"errors":[]}
metadata of missing | GET {id}-v2/metadata/a |  | 404 {"errors":[]}
first write, cas 1 | POST {id}-v2/data/a | {"data":{"x":"1"},"options":{"cas":1}} | 400 {"errors":["check-and-set parameter did not match the current version"]}
first write, cas 0 | POST {id}-v2/data/a | {"data":{"x":"1"},"options":{"cas":0}} | 200 {"data":{"version":1,"destroyed":false,"deletion_time":"","custom_metadata":null}}
cas 0 again | POST {id}-v2/data/a | {"data":{"x":"2"},"options":{"cas":0}} | 400 {"errors":["check-and-set parameter did not match the current version"]}
cas 1 | PUT {id}-v2/data/a | {"data":{"x":"2"},"options":{"cas":1}} | 200 {"data":{"version":2}}
without cas | POST {id}-v2/data/a | {"data":{"x":"3"},"options":null} | 200 {"data":{"version":3}}
cas as text | POST {id}-v2/data/a | {"data":{"x":"4"},"options":{"cas":"3"}} | 200 {"data":{"version":4}}
cas -1 | POST {id}-v2/data/a | {"data":{},"options":{"cas":-1}} | 400 {"errors":["check-and-set parameter did not match the current version"]}
cas null | POST {id}-v2/data/a | {"data":{},"options":{"cas":null}} | 400 {"errors":["check-and-set parameter did not match the current version"]}
cas true | POST {id}-v2/data/a | {"data":{},"options":{"cas":true}} | 400 {"errors":["check-and-set parameter did not match the current version"]}
cas "" | POST {id}-v2/data/a | {"data":{},"options":{"cas":""}} | 400 {"errors":["check-and-set parameter did not match the current version"]}
cas "abc" | POST {id}-v2/data/a | {"data":{},"options":{"cas":"abc"}} | 400 {"errors":["error parsing check-and-set parameter"]}
cas 1.5 | POST {id}-v2/data/a | {"data":{},"options":{"cas":1.5}} | 400 {"errors":["error parsing check-and-set parameter"]}
options as text | POST {id}-v2/data/a | {"data":{},"options":"x"} | 400 {"errors":["error converting input for field \"options\": '' expected type 'map[string]interface {}', got unconvertible type 'string'"]}
a v1 body | POST {id}-v2/data/a | {"x":"1"} | 400 {"errors":["no data provided"]}
no body | POST {id}-v2/data/a |  | 400 {"errors":["no data provided"]}
data as text | POST {id}-v2/data/a | {"data":"str"} | 400 {"errors":["error converting input for field \"data\": '' expected type 'map[string]interface {}', got unconvertible type 'string'"]}
data null | POST {id}-v2/data/null | {"data":null} | 200 {"data":{"version":1}}
is read as null | GET {id}-v2/data/null |  | 200 {"data":{"data":null,"metadata":{"version":1,"destroyed":false,"deletion_time":""}}}
empty data | POST {id}-v2/data/empty | {"data":{}} | 200 {"data":{"version":1}}
is read as empty | GET {id}-v2/data/empty |  | 200 ~ "data":{"data":{},
an old version | GET {id}-v2/data/a?version=1 |  | 200 {"data":{"data":{"x":"1"},"metadata":{"version":1}}}
version 0 is the current one | GET {id}-v2/data/a?version=0 |  | 200 {"data":{"data":{"x":"4"},"metadata":{"version":4}}}
version 99 | GET {id}-v2/data/a?version=99 |  | 404 {"errors":[]}
version abc | GET {id}-v2/data/a?version=abc |  | 400 {"errors":["Field validation failed: error converting input for field \"version\": '' cannot parse value as 'int': strconv.ParseInt: invalid syntax"]}
list data | GET {id}-v2/data/?list=true |  | 405 {"errors":["1 error occurred:\n\t* unsupported operation\n\n"]}
metadata | GET {id}-v2/metadata/a |  | 200 {"data":{"current_version":4,"oldest_version":0,"max_versions":0,"cas_required":false,"delete_version_after":"0s","custom_metadata":null,"versions":{"4":{"deletion_time":"","destroyed":false}}}}
delete the latest | DELETE {id}-v2/data/a |  | 204
is 404 with data | GET {id}-v2/data/a |  | 404 {"data":{"data":null,"metadata":{"version":4}}}
it still counts for cas | POST {id}-v2/data/a | {"data":{"x":"5"},"options":{"cas":4}} | 200 {"data":{"version":5}}
undelete | POST {id}-v2/undelete/a | {"versions":[4]} | 204
is there again | GET {id}-v2/data/a?version=4 |  | 200 {"data":{"data":{"x":"4"}}}
delete versions | POST {id}-v2/delete/a | {"versions":[2,"3"]} | 204
are gone | GET {id}-v2/data/a?version=3 |  | 404 {"data":{"data":null,"metadata":{"version":3}}}
destroy | PUT {id}-v2/destroy/a | {"versions":[5]} | 204
is 404 with data too | GET {id}-v2/data/a |  | 404 {"data":{"data":null,"metadata":{"destroyed":true,"deletion_time":"","version":5}}}
undelete does not bring it back | POST {id}-v2/undelete/a | {"versions":[5]} | 204
still gone | GET {id}-v2/data/a |  | 404 {"data":{"data":null,"metadata":{"version":5}}}
destroy without versions | POST {id}-v2/destroy/a | {} | 400 {"errors":["no version number provided"]}
destroy of nothing | POST {id}-v2/destroy/zzz | {"versions":[1]} | 204
read of destroy | GET {id}-v2/destroy/a |  | 405 {"errors":["1 error occurred:\n\t* unsupported operation\n\n"]}
a v1 body can destroy | POST {id}-v2/destroy/empty | {"versions":"1"} | 204
as it did | GET {id}-v2/data/empty |  | 404 {"data":{"metadata":{"destroyed":true}}}
delete metadata | DELETE {id}-v2/metadata/a |  | 204
again | DELETE {id}-v2/metadata/a |  | 204
nothing is left | GET {id}-v2/data/a |  | 404 {"errors":[]}
re-created at 1 | POST {id}-v2/data/a | {"data":{},"options":{"cas":0}} | 200 {"data":{"version":1}}
metadata alone | POST {id}-v2/metadata/c | {"cas_required":true,"max_versions":2,"delete_version_after":"90m","custom_metadata":{"k":"v"}} | 204
makes no version | GET {id}-v2/data/c |  | 404 {"errors":[]}
but can be read | GET {id}-v2/metadata/c |  | 200 {"data":{"current_version":0,"delete_version_after":"1h30m0s","max_versions":2,"versions":{}}}
cas is required | POST {id}-v2/data/c | {"data":{}} | 400 {"errors":["check-and-set parameter required for this call"]}
with cas 0 | POST {id}-v2/data/c | {"data":{"x":"1"},"options":{"cas":0}} | 200 {"data":{"version":1,"custom_metadata":{"k":"v"}}}
with cas 1 | POST {id}-v2/data/c | {"data":{"x":"1"},"options":{"cas":1}} | 200 {"data":{"version":2,"custom_metadata":{"k":"v"}}}
with cas 2 | POST {id}-v2/data/c | {"data":{"x":"1"},"options":{"cas":2}} | 200 {"data":{"version":3,"custom_metadata":{"k":"v"}}}
the oldest is pruned | GET {id}-v2/data/c?version=1 |  | 404 {"errors":[]}
and metadata say so | GET {id}-v2/metadata/c |  | 200 {"data":{"oldest_version":2,"current_version":3}}
metadata without a field | POST {id}-v2/metadata/d | {} | 204
is not created | GET {id}-v2/metadata/d |  | 404 {"errors":[]}
custom metadata | POST {id}-v2/metadata/d | {"custom_metadata":{"a":"1","b":2,"__proto__":"c"}} | 204
are read | GET {id}-v2/metadata/d |  | 200 ~ "custom_metadata":{"__proto__":"c","a":"1","b":"2"}
others are replaced as a whole | POST {id}-v2/metadata/d | {"custom_metadata":{"c":"3"}} | 204
one is left | GET {id}-v2/metadata/d |  | 200 ~ "custom_metadata":{"c":"3"}
another field leaves them | POST {id}-v2/metadata/d | {"max_versions":3,"delete_version_after":"7d"} | 204
all are there | GET {id}-v2/metadata/d |  | 200 {"data":{"custom_metadata":{"c":"3"},"max_versions":3,"delete_version_after":"168h0m0s"}}
an empty map | POST {id}-v2/metadata/d | {"custom_metadata":{}} | 204
is null | GET {id}-v2/metadata/d |  | 200 {"data":{"custom_metadata":null}}
an empty value | POST {id}-v2/metadata/d | {"custom_metadata":{"a":""}} | 400 {"errors":["1 error occurred:\n\t* custom_metadata validation failed: length of value for key \"a\" is 0 but must be 0 < len(value) <= 512\n\n"]}
a control character | POST {id}-v2/metadata/d | {"custom_metadata":{"a":"x\n"}} | 400 {"errors":["1 error occurred:\n\t* custom_metadata validation failed: value for key \"a\" contains unprintable characters\n\n"]}
parts of a second | POST {id}-v2/metadata/d | {"delete_version_after":"1500ms"} | 204
are dropped | GET {id}-v2/metadata/d |  | 200 {"data":{"delete_version_after":"1s"}}
days with hours | POST {id}-v2/metadata/d | {"delete_version_after":"1d12h"} | 400
a negative duration | POST {id}-v2/metadata/d | {"delete_version_after":"-1s"} | 400 {"errors":["error converting input for field \"delete_version_after\": cannot provide negative value '-1'"]}
versions beyond 32 bits | POST {id}-v2/metadata/d | {"max_versions":-1} | 204
wrap around | GET {id}-v2/metadata/d |  | 200 {"data":{"max_versions":4294967295}}
the config of the mount | GET {id}-v2/config |  | 200 {"data":{"cas_required":false,"max_versions":0,"delete_version_after":"0s"}}
wrong duration | POST {id}-v2/metadata/c | {"delete_version_after":"abc"} | 400 {"errors":["error converting input for field \"delete_version_after\": time: invalid duration \"abc\""]}
wrong boolean | POST {id}-v2/metadata/c | {"cas_required":"abc"} | 400 {"errors":["error converting input for field \"cas_required\": '' cannot parse value as 'bool': strconv.ParseBool: invalid syntax"]}
wrong number | POST {id}-v2/metadata/c | {"max_versions":"abc"} | 400 {"errors":["error converting input for field \"max_versions\": '' cannot parse value as 'int': strconv.ParseInt: invalid syntax"]}
POST without data/ | POST {id}-v2/foo/bar | {"x":"1"} | 404 ~ "warnings":["Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use. If using the
GET without data/ | GET {id}-v2/foo/bar |  | 404 ~ "warnings":["Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use. If using the
DELETE without data/ | DELETE {id}-v2/foo/bar |  | 404 ~ "warnings":["Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use. If using the
data without a name | POST {id}-v2/data | {"data":{}} | 404 {"data":null,"warnings":["Non-listing operations on the root of a K/V v2 mount are not supported."]}
data/ without a name | POST {id}-v2/data/ | {"data":{}} | 400 {"errors":["cannot write to a path ending in '/'"]}
slash at the end | POST {id}-v2/data/tr/ | {"data":{}} | 400 {"errors":["cannot write to a path ending in '/'"]}
doubled slashes | POST {id}-v2/data//dd//e?a=b | {"data":{}} | 307
dots | GET {id}-v2/data/x/../pp |  | 307
escaped dots | GET {id}-v2/data/x/%2e%2e/pp |  | 400 {"errors":["relative paths not supported"]}
escaped slash | POST {id}-v2/data/q%2Fr | {"data":{"x":"1"}} | 200
separates | GET {id}-v2/data/q/r |  | 200 {"data":{"data":{"x":"1"}}}
control character | POST {id}-v2/data/%01 | {"data":{}} | 400
blank and accent | POST {id}-v2/data/a%20%C3%A9 | {"data":{}} | 200
no such mount | GET {id}-none/a |  | 404 {"errors":["no handler for route \"{id}-none/a\". route entry not found."]}
`;

let target: TableTarget;

beforeAll(async () => {
  target = await TableTarget.start();
  await target.must('POST', 'sys/mounts/{id}-v1', { type: 'kv', options: { version: '1' } });
  await target.must('POST', 'sys/mounts/{id}-v2', { type: 'kv', options: { version: '2' } });
});

afterAll(async () => {
  await target.must('DELETE', 'sys/mounts/{id}-v1');
  await target.must('DELETE', 'sys/mounts/{id}-v2');
  await target.close();
});

describe('K/V version 1', () => {
  it.each(table(V1))('$title: $method $path is $status', async (row) => {
    const { got, wanted } = await target.answerOf(row);
    expect(got).toMatchObject(wanted);
  });
});

describe('K/V version 2', () => {
  it.each(table(V2))('$title: $method $path is $status', async (row) => {
    const { got, wanted } = await target.answerOf(row);
    expect(got).toMatchObject(wanted);
  });

  it('redirects an unclean path to the clean one and keeps its query', async () => {
    const { headers } = await target.send('POST', '{id}-v2/data//dd//e?a=b', '{}');
    expect(headers.location).toBe(`/v1/${target.id}-v2/data/dd/e?a=b`);
  });

  it('sets a deletion time in the future from delete_version_after', async () => {
    const { json } = await target.send('GET', '{id}-v2/data/c');
    const { created_time: created, deletion_time: deletion } = json.data.metadata;
    expect(Math.round((Date.parse(deletion) - Date.parse(created)) / 1000)).toBe(90 * 60);
    expect(created).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/);
  });

  it('gives a recreated secret a new creation time', async () => {
    const write = { data: { x: '1' } };
    const first = await target.must('POST', '{id}-v2/data/again', write);
    await target.must('DELETE', '{id}-v2/metadata/again');
    const second = await target.must('POST', '{id}-v2/data/again', write);
    expect(second.data.version).toBe(1);
    expect(second.data.created_time).not.toBe(first.data.created_time);
  });

  it('keeps ten versions by default', async () => {
    for (let count = 0; count < 12; count += 1) await target.must('POST', '{id}-v2/data/ten', { data: {} });
    const { data } = await target.must('GET', '{id}-v2/metadata/ten');
    expect(Object.keys(data.versions).map(Number)).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  });

  it('refuses a body over 32 MiB', async () => {
    const { status, json } = await target.send('POST', '{id}-v2/data/big', {
      data: { x: 'a'.repeat(33 * 1024 * 1024) },
    });
    expect({ status, json }).toEqual({ status: 413, json: { errors: ['http: request body too large'] } });
  });
});
