import { existsSync, readdirSync, readFileSync } from 'node:fs';

import { describe, expect, it } from '@jest/globals';

import { AUTH_METHODS } from '../../../src/vault/authenticator-factory.js';
import { AUTH_METHOD_CASES } from '../../e2e/auth-method-cases.js';
import { makeAuthMethod } from '../../servers/vault/auth/auth-methods.js';
import { TokenStore } from '../../servers/vault/tokens.js';

const COMPONENTS = 'kustomize/components';
const read = (file: string): string => (existsSync(file) ? readFileSync(file, 'utf8') : '');

/** The last value of the flag in a component is the one that it sets. */
const componentOf = new Map(
  readdirSync(COMPONENTS)
    .filter((folder) => folder.startsWith('auth-'))
    .map((folder) => {
      const values = read(`${COMPONENTS}/${folder}/kustomization.yaml`).matchAll(
        /value: --vault-authentication-method=(\S+)/g,
      );
      return [[...values].at(-1)?.[1] ?? '', folder];
    }),
);

/**
 * What a new auth method needs beside its file and its line, because nothing can derive it. Each test names what
 * is missing; CONTRIBUTING.md ("Add an auth method") tells how to add it.
 */
describe.each(AUTH_METHODS)('the auth method $name', ({ name, variables }) => {
  it('has a backend in test/servers/vault/auth, by the type in the default of its endpoint', () => {
    const endpoint = variables.find((variable) => variable.default?.endsWith('/login'))?.default;
    // A token is looked up by the token store, which is always there.
    const type = /^auth\/(\w+)\/login$/.exec(endpoint ?? '')?.[1] ?? (name === 'token' ? 'token' : '');
    const context = { tokens: new TokenStore(() => new Date()), now: () => new Date() };
    const backend = makeAuthMethod(type, { ...context, mountPath: 'x/', namespace: '' })?.type;
    expect({ endpoint, backend: type === 'token' ? type : backend }).toEqual({ endpoint, backend: type });
    expect(type).not.toBe('');
  });

  it('is the name of one method and its variables are of no other', () => {
    const others = AUTH_METHODS.filter((method) => method.variables !== variables);
    expect(others.map((method) => method.name)).not.toContain(name);
    const names = new Set(variables.map((variable) => variable.name));
    const shared = others
      .flatMap((method) => method.variables)
      .filter((variable) => names.has(variable.name));
    expect(shared).toEqual([]);
  });

  it('has a case in test/e2e/auth-method-cases.ts', () => {
    expect(Object.keys(AUTH_METHOD_CASES)).toContain(name);
  });

  it('has a component in kustomize/components that selects it and sets what it requires', () => {
    const component = componentOf.get(name) ?? `none with --vault-authentication-method=${name}`;
    const environment = read(`${COMPONENTS}/${component}/variables.yaml`);
    const required = variables.filter((variable) => variable.required === true);
    expect({
      component,
      missing: required
        .filter(
          ({ name: one, secret }) => !environment.includes(`name: ${one}${secret === true ? '_FILE' : ''}\n`),
        )
        .map((one) => one.name),
    }).toEqual({ component: expect.stringMatching(/^auth-[a-z]+$/), missing: [] });
  });

  it('has a row for the component in kustomize/README.md', () => {
    expect(read('kustomize/README.md')).toContain(`| \`${componentOf.get(name) ?? `auth-${name}`}\``);
  });

  it('has a section in docs/vault.md that names the component and the method', () => {
    const section = `Component \`${componentOf.get(name) ?? `auth-${name}`}\`, method \`${name}\`.`;
    const headings = read('docs/vault.md')
      .split(/^### /m)
      .filter((part) => part.includes(section));
    expect({ section, found: headings.length }).toEqual({ section, found: 1 });
  });
});
