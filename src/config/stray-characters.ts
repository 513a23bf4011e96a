import type { Environment, VariableSpec } from './config.js';
import { ENVIRONMENT_VARIABLES, type EnvironmentVariable } from './environment-variables.js';
import type { FaultList } from './fault-list.js';
import type { Parsed } from './values.js';

const LINE_BREAK_AT_END = /\r?\n$/;

/** Decides how the characters of a variable are checked. */
type Checked = Pick<VariableSpec, 'name' | 'verbatim' | 'ascii' | 'check' | 'trimmed'> &
  Pick<EnvironmentVariable, 'library' | 'choices' | 'elseIgnored'>;

/**
 * The described variables of the environment, without the final line break that a file, or a Secret made from one,
 * has. Any other stray character is reported with the name of the variable, because the value would be changed on
 * the way or be refused elsewhere with a misleading message. `verbatim` variables are not changed. A variable
 * without a description is left out, so that every variable in use is documented.
 */
export function withoutStrayCharacters(
  env: Environment,
  variables: readonly VariableSpec[],
  faults: FaultList,
): Environment {
  const described = new Map<string, Checked>();
  for (const variable of [...ENVIRONMENT_VARIABLES, ...variables]) described.set(variable.name, variable);
  const cleaned: Record<string, string | undefined> = {};
  for (const variable of described.values()) {
    const { name } = variable;
    const value = env[name];
    if (value === undefined) continue;
    const text = textOf(value, variable);
    const problem = problemOf(text, variable);
    if (problem !== undefined && variable.elseIgnored !== undefined) {
      faults.warnings.push(`${name} ${problem}; it is ignored: ${variable.elseIgnored}`);
      continue;
    }
    cleaned[name] = text;
    // JSON may contain blanks and line breaks anywhere; its values are checked when it is parsed.
    if (problem !== undefined && name !== 'VAULT_HEADERS') faults.add(`${name} ${problem}`);
  }
  return cleaned;
}

function textOf(value: string, { verbatim, trimmed }: Checked): string {
  if (verbatim === true) return value;
  const line = value.replace(LINE_BREAK_AT_END, '');
  return trimmed === true ? line.replace(/^[ \t]+|[ \t]+$/g, '') : line;
}

/**
 * The value of a variable from the text of a file. A file usually ends with a line break, so that one is no part of any
 * value; blanks at both ends are part of a verbatim one only.
 */
export function valueOfFile(text: string, variable: VariableSpec): Parsed<string> {
  const value = variable.verbatim === true ? text.replace(LINE_BREAK_AT_END, '') : text.trim();
  if (value === '') return variable.mayBeEmpty === true ? { value } : { problem: 'is empty' };
  const problem = problemOf(value, variable) ?? variable.check?.(value);
  return problem === undefined ? { value } : { problem };
}

/** The verbatim variables of an auth method whose value ends with a line break, usually by mistake. */
export function endsWithLineBreak(
  variables: readonly VariableSpec[],
  values: Readonly<Record<string, string | undefined>>,
): readonly string[] {
  return variables
    .filter(({ name, verbatim }) => verbatim === true && LINE_BREAK_AT_END.test(values[name] ?? ''))
    .map(({ name }) => name);
}

/**
 * Corrects, in the environment of the process, the variables that the AWS SDK reads itself: it removes a final line
 * break, gives a choice the SDK's spelling, and removes a value that is ignored. It also removes a variable that is
 * set and empty, because Go's SDK treats it as absent and this one sometimes as a value.
 */
export function correctLibraryVariables(env: Record<string, string | undefined>): void {
  for (const variable of ENVIRONMENT_VARIABLES) {
    const { name, library, group, choices, elseIgnored } = variable;
    const value = env[name];
    // The SDK reads the keys itself for a profile with `credential_source = Environment`.
    const isRead = library === true || group === 'aws';
    if (!isRead || value === undefined) continue;
    const text = value.replace(LINE_BREAK_AT_END, '');
    const isIgnored = elseIgnored !== undefined && problemOf(text, variable) !== undefined;
    if (text === '' || isIgnored) Reflect.deleteProperty(env, name);
    else env[name] = chosen(choices, text) ?? text;
  }
}

function chosen(choices: readonly string[] | undefined, text: string): string | undefined {
  return choices?.find((choice) => choice.toLowerCase() === text.toLowerCase());
}

function problemOf(text: string, { verbatim, ascii, library, check, choices }: Checked): string | undefined {
  if (verbatim === true) return undefined;
  const stray = strayProblem(text) ?? (ascii === true && !/^[ -~]*$/.test(text) ? NOT_ASCII : undefined);
  // Values of an auth method are checked where they are read.
  if (stray !== undefined || library !== true || text === '') return stray;
  if (choices === undefined || chosen(choices, text) !== undefined) return check?.(text);
  return `must be ${choices.join(', ').replace(/, ([^,]*)$/, ' or $1')}`;
}

const NOT_ASCII = 'contains a non-ASCII character';

/** What is wrong with a single-line text, without quoting it. */
function strayProblem(text: string): string | undefined {
  if (/[\r\n]/.test(text)) return 'contains a line break: remove it';
  if (/^\s|\s$|\ufeff/.test(text)) return 'begins or ends with whitespace or a byte order mark: remove it';
  if (/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028\u2029\ufffd]/.test(text)) {
    return 'contains a control character: remove it';
  }
  return undefined;
}
