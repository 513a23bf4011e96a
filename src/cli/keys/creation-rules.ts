import { readFile } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';

import { AllowedPaths } from '../../api/allowed-paths.js';
import type { EncryptionContext } from '../../api/resources.js';
import { isContext } from '../../api/validation.js';
import { AuthorError } from '../author-error.js';
import { record } from '../files/manifest-resource.js';
import { fileError } from '../files/manifest-store.js';
import { parseYaml } from '../files/yaml-source.js';

export const RULES_FILE = '.kms-vault.yaml';

/** What the rules of a project say about a file. */
export interface CreationRule {
  /** Path of the `.kms-vault.yaml`. */
  readonly file: string;
  readonly keyId?: string;
  /** For items whose resource has no context. */
  readonly context?: EncryptionContext;
}

/**
 * The first rule for a file in the nearest `.kms-vault.yaml`, which is looked for in the folder of the file and in those
 * above it.
 *
 * @returns undefined when there is no such file, or none of its rules is for this file.
 * @throws AuthorError when the rules are not valid.
 */
export async function creationRuleFor(manifest: string): Promise<CreationRule | undefined> {
  const path = resolve(manifest);
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    const file = join(folder, RULES_FILE);
    const text = await textOf(file);
    if (text !== undefined) {
      const inFolder = relative(folder, path).split(sep).join('/');
      const rule = rulesIn(file, text).find(
        ({ pathPattern }) => pathPattern === undefined || AllowedPaths.of([pathPattern]).allows(inFolder, ''),
      );
      if (rule === undefined) return undefined;
      const { keyId, context } = rule;
      return {
        file,
        ...(keyId === undefined ? {} : { keyId }),
        ...(context === undefined ? {} : { context }),
      };
    }
    if (folder === dirname(folder)) return undefined;
  }
}

interface Rule {
  readonly pathPattern: string | undefined;
  readonly keyId: string | undefined;
  readonly context: EncryptionContext | undefined;
}

const FIELDS = ['pathPattern', 'keyId', 'context'];

function rulesIn(file: string, text: string): Rule[] {
  const { objects, problems, documents } = parseYaml(text);
  const [problem] = problems;
  if (problem !== undefined) {
    throw new AuthorError(
      `${file}:${String(problem.at.line)}:${String(problem.at.column)}: ${problem.message}`,
    );
  }
  const root = record(objects[0]);
  const unknown = Object.keys(root).filter((field) => field !== 'creationRules');
  if (documents.length !== 1 || unknown.length > 0 || !Array.isArray(root.creationRules)) {
    throw new AuthorError(`${file} must have one field, creationRules, with a list of rules`);
  }
  return root.creationRules.map((rule: unknown, index) => checked(file, rule, index));
}

function checked(file: string, rule: unknown, index: number): Rule {
  const refuse = (problem: string): never => {
    throw new AuthorError(`${file}: creationRules[${String(index)}] ${problem}`);
  };
  const fields = record(rule);
  const unknown = Object.keys(fields).find((field) => !FIELDS.includes(field));
  if (unknown !== undefined) refuse(`has the unknown field ${unknown}; known are ${FIELDS.join(', ')}`);
  const { pathPattern, keyId, context } = fields;
  if (pathPattern !== undefined && (typeof pathPattern !== 'string' || pathPattern === '')) {
    refuse('has a pathPattern that is not a text');
  }
  if (keyId !== undefined && (typeof keyId !== 'string' || keyId === '')) {
    refuse('has a keyId that is not a text: put it between quotes');
  }
  if (!isContext(context))
    refuse('has a context that does not map texts to texts: put numbers between quotes');
  if (keyId === undefined && context === undefined) refuse('has neither a keyId nor a context');
  return {
    pathPattern: pathPattern as string | undefined,
    keyId: keyId as string | undefined,
    context: (context ?? undefined) as EncryptionContext | undefined,
  };
}

async function textOf(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (['ENOENT', 'ENOTDIR'].includes(code)) return undefined;
    throw fileError(file, 'read', error);
  }
}
