import type { ContextPair, RequiredContexts } from './config.js';
import type { FaultList } from './fault-list.js';
import type { FlagSpec } from './flags.js';
import { optionalList } from './network-environment.js';
import { NAMESPACE_NAME, parseChoice } from './values.js';

type FlagValues = Readonly<Record<string, string | undefined>>;

const OWN = 'required-context';
const PARTIAL = 'required-partial-context';
const MODE = 'required-context-mode';
const EXEMPT = 'required-context-exempt';
const MODES = ['audit', 'enforce'] as const;

/** A ciphertext may only be used where its encryption context says so. */
export const CONTEXT_FLAGS: readonly FlagSpec[] = [
  {
    name: OWN,
    defaultText: 'none',
    description:
      'Comma-separated pairs name=value that the encryption context of every ciphertext of a KMSVaultSecret must have; ' +
      'values may have {{namespace}}, {{name}} and {{path}}.',
  },
  {
    name: PARTIAL,
    defaultText: 'the pairs of --required-context without {{name}} and {{path}}',
    description:
      'The same for ciphertexts of PartialKMSVaultSecrets, wherever they are included; values may have {{namespace}}.',
  },
  {
    name: MODE,
    choices: MODES,
    defaultText: 'enforce, if a context is required',
    description:
      'enforce: a ciphertext without the pairs is not decrypted, and the webhook denies it; ' +
      'audit: it is synced with a warning.',
  },
  {
    name: EXEMPT,
    defaultText: 'none',
    description: 'Comma-separated namespaces in which no context is required.',
  },
];

/** The flags of {@link CONTEXT_FLAGS}; undefined when no context is required. */
export function requiredContexts(values: FlagValues, faults: FaultList): RequiredContexts | undefined {
  const own = pairsOf(values[OWN], OWN, ['namespace', 'name', 'path'], faults);
  const given = pairsOf(values[PARTIAL], PARTIAL, ['namespace'], faults);
  const mode = faults.take(`--${MODE}`, parseChoice(values[MODE] ?? 'enforce', MODES), 'enforce');
  const exemptNamespaces = namespacesOf(values[EXEMPT], faults);
  if (own === undefined && given === undefined) {
    for (const name of [MODE, EXEMPT]) {
      if (values[name] !== undefined) {
        faults.add(
          `--${name} has no effect without --${OWN} or --${PARTIAL}: set one of them, or omit the flag`,
        );
      }
    }
    return undefined;
  }
  const partial = given ?? (own ?? []).filter(({ value }) => !/\{\{(name|path)\}\}/.test(value));
  warnOfGaps(own, partial, faults);
  return { mode, own: own ?? [], partial, exemptNamespaces };
}

function warnOfGaps(
  own: readonly ContextPair[] | undefined,
  partial: readonly ContextPair[],
  faults: FaultList,
): void {
  if (partial.length === 0) {
    faults.warnings.push(
      `every pair of --${OWN} has {{name}} or {{path}}, which partials do not have, so any ciphertext may be copied into a ` +
        `PartialKMSVaultSecret: set --${PARTIAL}`,
    );
  }
  if (own === undefined) {
    faults.warnings.push(
      `--${PARTIAL} is set without --${OWN}: any ciphertext may be copied into a KMSVaultSecret`,
    );
  }
}

function pairsOf(
  text: string | undefined,
  flag: string,
  placeholders: readonly string[],
  faults: FaultList,
): readonly ContextPair[] | undefined {
  const entries = optionalList(text);
  if (text !== undefined && entries === undefined) {
    faults.add(`--${flag} is empty: set at least one pair name=value, or omit the flag`);
  }
  const pairs: ContextPair[] = [];
  for (const entry of entries ?? []) {
    const at = entry.indexOf('=');
    const pair = { name: entry.slice(0, Math.max(at, 0)), value: entry.slice(at + 1) };
    const problem =
      at < 1 || pair.value === ''
        ? 'is not name=value'
        : pairs.some(({ name }) => name === pair.name)
          ? 'has a name that another pair has'
          : pairProblem(pair, placeholders);
    if (problem === undefined) pairs.push(pair);
    else faults.add(`--${flag}: pair ${JSON.stringify(entry)} ${problem}`);
  }
  return entries === undefined ? undefined : pairs;
}

function pairProblem({ name, value }: ContextPair, placeholders: readonly string[]): string | undefined {
  if (name.trim() !== name || value.trim() !== value) return 'has blanks beside the =';
  if (name.includes('{{')) return 'has a placeholder in its name; only values may have one';
  const rest = value.replaceAll(/\{\{([^{}]*)\}\}/g, (match, placeholder: string) =>
    placeholders.includes(placeholder) ? '' : match,
  );
  if (!rest.includes('{{')) return undefined;
  const known = placeholders.map((placeholder) => `{{${placeholder}}}`).join(', ');
  const isOfSecrets = /\{\{(name|path)\}\}/.test(rest);
  return isOfSecrets
    ? `cannot be required of partials, which several resources may include: only ${known} is known there`
    : `has an unknown placeholder; known: ${known}`;
}

function namespacesOf(text: string | undefined, faults: FaultList): readonly string[] {
  const names = optionalList(text);
  if (text !== undefined && names === undefined) {
    faults.add(`--${EXEMPT} contains no namespace: list at least one, or omit the flag`);
  }
  for (const name of names ?? []) {
    if (!NAMESPACE_NAME.test(name))
      faults.add(`--${EXEMPT}: ${JSON.stringify(name)} is not a valid name of a namespace`);
  }
  return [...new Set(names ?? [])];
}
