import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { JwtIssuer } from '../../support/signed-jwt.js';
import { TestAuthority } from '../shared/certificates.js';
import { LdapDirectory } from './ldap-directory.js';
import { table, TableTarget } from './table-target.js';

const issuer = new JwtIssuer();
const other = new JwtIssuer();
const now = Math.floor(Date.now() / 1_000);
let target: TableTarget;
let authority: TestAuthority;

beforeAll(async () => {
  authority = await TestAuthority.create('clients');
  target = await TableTarget.start({ ...(await authority.issue()), authority: authority.cert });
});

afterAll(async () => {
  await target.close();
});

/** The tokens that the table names. */
const TOKENS: Readonly<Record<string, string>> = {
  good: issuer.issue({ sub: 'app', aud: 'vault', env: 'prod' }),
  list: issuer.issue({ sub: 'app', aud: ['api', 'vault'], env: 'prod' }),
  audience: issuer.issue({ sub: 'app', aud: 'api', env: 'prod' }),
  stranger: other.issue({ sub: 'app', aud: 'vault', env: 'prod' }),
  expired: issuer.issue({ sub: 'app', aud: 'vault', env: 'prod', iat: now - 900, exp: now - 600 }),
  early: issuer.issue({ sub: 'app', aud: 'vault', env: 'prod', nbf: now + 300 }),
  subject: issuer.issue({ sub: 'somebody', aud: 'vault', env: 'prod' }),
  claim: issuer.issue({ sub: 'app', aud: 'vault', env: 'dev' }),
  noclaim: issuer.issue({ sub: 'app', aud: 'vault' }),
};

const JWT = String.raw`
nothing to verify with | POST auth/{id}-jwt/config | {} | 400 ~ exactly one of 'jwt_validation_pubkeys'
not a key | POST auth/{id}-jwt/config | {"jwt_validation_pubkeys":"x"} | 400 ~ error parsing public key
before it is configured | POST@nobody auth/{id}-jwt/login | {"role":"r","jwt":"x"} | 400 {"errors":["could not load configuration"]}
key | POST auth/{id}-jwt/config | {"jwt_validation_pubkeys":["{key}"],"bound_issuer":"https://issuer.example.com"} | 204
no user claim | POST auth/{id}-jwt/role/r | {"role_type":"jwt","bound_audiences":"vault"} | 400 {"errors":["a user claim must be defined on the role"]}
bound to nothing | POST auth/{id}-jwt/role/r | {"role_type":"jwt","user_claim":"sub"} | 400 {"errors":["must have at least one bound constraint when creating/updating a role"]}
unknown type | POST auth/{id}-jwt/role/r | {"role_type":"x"} | 400 {"errors":["invalid 'role_type': x"]}
role | POST auth/{id}-jwt/role/r | {"role_type":"jwt","user_claim":"sub","bound_audiences":"vault","bound_subject":"app","bound_claims":{"env":"prod"},"token_ttl":"10m"} | 204
right | POST@nobody auth/{id}-jwt/login | {"role":"r","jwt":"{good}"} | 200 {"auth":{"lease_duration":600,"renewable":true,"metadata":{"role":"r"}}}
upper case | POST@nobody auth/{id}-jwt/login | {"role":"R","jwt":"{list}"} | 200
no role | POST@nobody auth/{id}-jwt/login | {"jwt":"{good}"} | 400 {"errors":["missing role"]}
no such role | POST@nobody auth/{id}-jwt/login | {"role":"zz","jwt":"{good}"} | 400 {"errors":["role \"zz\" could not be found"]}
no token | POST@nobody auth/{id}-jwt/login | {"role":"r"} | 400 {"errors":["missing token"]}
not a token | POST@nobody auth/{id}-jwt/login | {"role":"r","jwt":"x"} | 400 ~ error validating token: 
another issuer's key | POST@nobody auth/{id}-jwt/login | {"role":"r","jwt":"{stranger}"} | 400 ~ error validating token: error verifying token signature: no known key successfully validated the token signature
other audience | POST@nobody auth/{id}-jwt/login | {"role":"r","jwt":"{audience}"} | 400 {"errors":["error validating token: invalid audience (aud) claim: audience claim does not match any expected audience"]}
other subject | POST@nobody auth/{id}-jwt/login | {"role":"r","jwt":"{subject}"} | 400 {"errors":["error validating token: invalid subject (sub) claim"]}
expired | POST@nobody auth/{id}-jwt/login | {"role":"r","jwt":"{expired}"} | 400 {"errors":["error validating token: invalid expiration time (exp) claim: token is expired"]}
not yet valid | POST@nobody auth/{id}-jwt/login | {"role":"r","jwt":"{early}"} | 400 {"errors":["error validating token: invalid not before (nbf) claim: token not yet valid"]}
other claim | POST@nobody auth/{id}-jwt/login | {"role":"r","jwt":"{claim}"} | 400 {"errors":["error validating claims: claim \"env\" does not match any associated bound claim values"]}
missing claim | POST@nobody auth/{id}-jwt/login | {"role":"r","jwt":"{noclaim}"} | 400 {"errors":["error validating claims: claim \"env\" is missing"]}
no audience on the role | POST auth/{id}-jwt/role/n | {"role_type":"jwt","user_claim":"sub","bound_subject":"app"} | 204
its login | POST@nobody auth/{id}-jwt/login | {"role":"n","jwt":"{good}"} | 400 {"errors":["audience claim found in JWT but no audiences bound to the role"]}
other user claim | POST auth/{id}-jwt/role/u | {"role_type":"jwt","user_claim":"email","bound_audiences":"vault"} | 204
its login | POST@nobody auth/{id}-jwt/login | {"role":"u","jwt":"{good}"} | 400 {"errors":["claim \"email\" not found in token"]}
bound elsewhere | POST auth/{id}-jwt/role/c | {"role_type":"jwt","user_claim":"sub","bound_audiences":"vault","token_bound_cidrs":"10.0.0.0/8"} | 204
its login | POST@nobody auth/{id}-jwt/login | {"role":"c","jwt":"{good}"} | 403 {"errors":["permission denied"]}
read a login | GET@nobody auth/{id}-jwt/login | | 405 {"errors":["unsupported operation"]}
delete | DELETE auth/{id}-jwt/role/u | | 204
`;

describe('jwt', () => {
  beforeAll(async () => {
    // Line breaks are escaped, for use inside a JSON string.
    target.values.set('key', issuer.publicKey.replace(/\n/g, '\\n'));
    for (const [name, token] of Object.entries(TOKENS)) target.values.set(name, token);
    await target.must('POST', 'sys/auth/{id}-jwt', { type: 'jwt' });
  });

  afterAll(async () => {
    await target.must('DELETE', 'sys/auth/{id}-jwt');
  });

  it.each(table(JWT))('$title: $method $path is $status', async (row) => {
    const { got, wanted } = await target.answerOf(row);
    expect(got).toMatchObject(wanted);
  });
});

const LDAP = String.raw`
user | POST auth/{id}-ldap/users/op | {"policies":"p1"} | 204
right | POST@nobody auth/{id}-ldap/login/op | {"password":"pw"} | 200 {"auth":{"policies":["default","p1"],"lease_duration":600,"renewable":true,"metadata":{"username":"op"}}}
upper case | POST@nobody auth/{id}-ldap/login/OP | {"password":"pw"} | 200 {"auth":{"metadata":{"username":"op"}}}
wrong password | POST@nobody auth/{id}-ldap/login/op | {"password":"no"} | 400 {"errors":["ldap operation failed: failed to bind as user"]}
unknown user | POST@nobody auth/{id}-ldap/login/zz | {"password":"no"} | 400 {"errors":["ldap operation failed: failed to bind as user"]}
no password | POST@nobody auth/{id}-ldap/login/op | {} | 400 {"errors":["password cannot be of zero length when passwordless binds are being denied"]}
a name with a comma | POST@nobody auth/{id}-ldap/login/a,b | {"password":"pw"} | 200
read a login | GET@nobody auth/{id}-ldap/login/op | | 405 {"errors":["unsupported operation"]}
`;

describe('ldap', () => {
  let directory: LdapDirectory;

  beforeAll(async () => {
    const people = ['op', 'a\\,b', 'late'].map((name): [string, string] => [
      `uid=${name},ou=people,dc=x`,
      'pw',
    ]);
    directory = await LdapDirectory.start(new Map(people));
    await target.must('POST', 'sys/auth/{id}-ldap', { type: 'ldap' });
    await target.must('POST', 'auth/{id}-ldap/config', {
      url: directory.url,
      userdn: 'ou=people,dc=x',
      userattr: 'uid',
      token_ttl: '10m',
    });
  });

  afterAll(async () => {
    await directory.close();
    await target.must('DELETE', 'sys/auth/{id}-ldap');
  });

  it.each(table(LDAP))('$title: $method $path is $status', async (row) => {
    const { got, wanted } = await target.answerOf(row);
    expect(got).toMatchObject(wanted);
  });

  it('binds to the directory again at each renewal', async () => {
    const { auth } = await target.must('POST', 'auth/{id}-ldap/login/late', { password: 'pw' }, 'nobody');
    target.tokens.set('late', auth.client_token);
    await target.must('POST', 'auth/token/renew-self', {}, 'late');
    directory.passwords.delete('uid=late,ou=people,dc=x');
    const { status } = await target.send('POST', 'auth/token/renew-self', {}, { who: 'late' });
    expect(status).toBe(400);
  });

  it('reports that it cannot reach the directory', async () => {
    const { port } = directory;
    await directory.close();
    const login = await target.send('POST', 'auth/{id}-ldap/login/op', { password: 'pw' }, { who: 'nobody' });
    await directory.listen(port);
    expect(login.status).toBe(400);
    expect(login.json.errors[0]).toMatch(
      /^1 error occurred:\n\t\* error connecting to host "ldap:\/\/127\.0\.0\.1:\d+": LDAP Result Code 200 "Network Error": /,
    );
  });

  it('locks a user out after five wrong passwords', async () => {
    const attempt = async (password: string): Promise<unknown> =>
      (await target.send('POST', 'auth/{id}-ldap/login/locked', { password }, { who: 'nobody' })).json.errors;
    directory.passwords.set('uid=locked,ou=people,dc=x', 'pw');
    const answers: unknown[] = [];
    for (let count = 0; count < 6; count += 1) answers.push(await attempt('no'));
    expect(answers.slice(0, 5)).toEqual(Array(5).fill(['ldap operation failed: failed to bind as user']));
    expect(answers[5]).toEqual(['permission denied']);
    expect(await attempt('pw')).toEqual(['permission denied']);
  });
});

describe('cert', () => {
  /** Logs in with a certificate, or without one. */
  async function login(
    pair: { readonly cert: string; readonly key: string } | undefined,
    name?: string,
  ): Promise<{ status: number; errors?: unknown; auth?: Record<string, unknown> }> {
    const body = name === undefined ? {} : { name };
    const { status, json } = await target.send('POST', 'auth/{id}-cert/login', body, {
      who: 'nobody',
      ...(pair === undefined ? {} : { tls: pair }),
    });
    return { status, ...(json?.errors === undefined ? { auth: json?.auth } : { errors: json.errors }) };
  }

  async function renew(pair: { readonly cert: string; readonly key: string }): Promise<number> {
    return (await target.send('POST', 'auth/token/renew-self', {}, { who: 'cert', tls: pair })).status;
  }

  // OpenBao appends a list of errors, even an empty one.
  const INVALID = [expect.stringMatching(/^invalid certificate or no client certificate supplied/)];
  const CONSTRAINTS = [
    expect.stringMatching(/^no chain matching all constraints could be found for this login certificate/),
  ];

  beforeAll(async () => {
    await target.must('POST', 'sys/auth/{id}-cert', { type: 'cert' });
    const role = { certificate: authority.cert, allowed_common_names: 'app*', token_ttl: '10m' };
    await target.must('POST', 'auth/{id}-cert/certs/r', role);
  });

  afterAll(async () => {
    await target.must('DELETE', 'sys/auth/{id}-cert');
  });

  it('accepts certificates of the authority with an allowed name', async () => {
    const app = await authority.issue({ commonName: 'app-1' });
    expect(await login(app)).toMatchObject({
      status: 200,
      auth: { lease_duration: 600, metadata: { cert_name: 'r', common_name: 'app-1' } },
    });
    expect(await login(app, 'R')).toMatchObject({ status: 200 });
    expect(await login(app, 'zz')).toMatchObject({ status: 400, errors: INVALID });
    const web = await authority.issue({ commonName: 'web' });
    expect(await login(web)).toMatchObject({ status: 400, errors: CONSTRAINTS });
  });

  it('accepts a certificate of an intermediate authority if the client sends the whole chain', async () => {
    const intermediate = await authority.intermediate('in between');
    const { cert, key } = await intermediate.issue({ commonName: 'app-2' });
    expect(await login({ cert: `${cert}\n${intermediate.cert}`, key })).toMatchObject({ status: 200 });
    expect(await login({ cert, key })).toMatchObject({ status: 400, errors: INVALID });
  });

  it('refuses certificates of other authorities, expired ones, and connections without one', async () => {
    const stranger = await (await TestAuthority.create('clients')).issue({ commonName: 'app-1' });
    expect(await login(stranger)).toMatchObject({ status: 400, errors: INVALID });
    const outdated = await authority.issue({
      commonName: 'app-1',
      notBefore: new Date(Date.now() - 7_200_000),
      notAfter: new Date(Date.now() - 3_600_000),
    });
    expect(await login(outdated)).toMatchObject({
      status: 500,
      errors: [
        expect.stringMatching(/^failed to verify client's certificate: x509: certificate has expired/),
      ],
    });
    // The text of OpenBao differs from Vault's.
    const missing = /^(client certificate must be supplied|no client certificate found)$/;
    expect(await login(undefined)).toMatchObject({ status: 400, errors: [expect.stringMatching(missing)] });
  });

  it('renews a token only for the certificate of its login', async () => {
    const pair = await authority.issue({ commonName: 'app-1' });
    const { auth } = await login(pair);
    target.tokens.set('cert', String(auth?.client_token));
    expect(await renew(pair)).toBe(200);
    expect(await renew(await authority.issue({ commonName: 'app-1' }))).toBe(500);
    await target.must('POST', 'auth/{id}-cert/config', { disable_binding: true });
    expect(await renew(await authority.issue({ commonName: 'app-1' }))).toBe(200);
  });

  it('refuses a role whose certificate is not PEM', async () => {
    const { status, json } = await target.send('POST', 'auth/{id}-cert/certs/x', { certificate: 'x' });
    expect({ status, errors: json.errors }).toEqual({
      status: 400,
      errors: ['failed to parse certificate'],
    });
  });
});
