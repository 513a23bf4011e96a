import { readFileSync } from 'node:fs';

import { expect, it } from '@jest/globals';

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
const NAMED =
  /(?:rev: v|releases\/download\/v|kms-vault-operator\/v|kms-vault-operator:)(\d+\.\d+\.\d+\S*?)(?=[/\s])/g;

it('the examples of docs/authoring.md use this version', () => {
  const named = [...readFileSync('docs/authoring.md', 'utf8').matchAll(NAMED)].map(([, one]) => one);
  expect(named).toEqual([version, version, version, version, version]);
});
