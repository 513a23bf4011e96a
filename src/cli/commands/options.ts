import { InvalidArgumentError, Option } from 'commander';

import type { EncryptionContext } from '../../api/resources.js';

/** `--context NAME=VALUE …` */
export function contextOption(): Option {
  return new Option(
    '--context <name=value>',
    'a pair of the encryption context, may be repeated; when absent, the context that the operator uses',
  ).argParser(addPair);
}

export function keyIdOption(): Option {
  return new Option(
    '--key-id <id>',
    'id, ARN or alias of the KMS key; else the annotation, .kms-vault.yaml, or the key of the other items',
  );
}

export function resourceOption(): Option {
  return new Option(
    '--resource <[kind/][namespace/]name>',
    'the resource, if the file has several that may be meant',
  );
}

/** The flags of the operator and the webhook that decide what a resource may do. */
export function policyOptions(): Option[] {
  return [
    new Option(
      '--allowed-vault-paths <patterns>',
      'the value of the same flag of the operator and the webhook',
    ),
    new Option('--required-context <pairs>', 'as above; name=value,…'),
    new Option('--required-partial-context <pairs>', 'as above; name=value,…'),
    new Option('--required-context-mode <mode>', 'as above; audit or enforce'),
    new Option('--required-context-exempt <namespaces>', 'as above; namespace,…'),
  ];
}

function addPair(text: string, before: EncryptionContext | undefined): EncryptionContext {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('It must be name=value.');
  const name = text.slice(0, at);
  if (before !== undefined && Object.hasOwn(before, name)) {
    throw new InvalidArgumentError(`${name} is given twice.`);
  }
  return { ...before, [name]: text.slice(at + 1) };
}
