import type { Environment, VariableSpec } from './config.js';
import { ENVIRONMENT_VARIABLES, type EnvironmentVariable } from './environment-variables.js';
import type { FaultList } from './fault-list.js';

const LINE_BREAK_AT_END = /\r?\n$/;

/** What decides how the characters of a variable are checked. */
type Checked = Pick<VariableSpec, 'name' | 'verbatim' | 'ascii' | 'check'> &
  Pick<EnvironmentVariable, 'library' | 'choices'>;

/**
 * The described variables of the environment, with one final line break left out of each: what a file has at its end,
 * and a Secret that was made from it. Any other stray character is a fault that names the variable, because the
 * value would arrive as another one or be refused elsewhere with a message that does not tell of it. Variables
 * that are `verbatim` stay as they are. A variable that is described nowhere is left out, so that none can be read without a description.
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
    const text = variable.verbatim === true ? value : value.replace(LINE_BREAK_AT_END, '');
    cleaned[name] = text;
    const problem = problemOf(text, variable);
    // JSON has blanks and line breaks as it likes; its values are looked at when it is read.
    if (problem !== undefined && name !== 'VAULT_HEADERS') faults.add(`${name} ${problem}`);
  }
  return cleaned;
}

/** The verbatim variables of an auth method whose value ends with a line break, which is most often a slip. */
export function endsWithLineBreak(
  variables: readonly VariableSpec[],
  values: Readonly<Record<string, string | undefined>>,
): readonly string[] {
  return variables
    .filter(({ name, verbatim }) => verbatim === true && LINE_BREAK_AT_END.test(values[name] ?? ''))
    .map(({ name }) => name);
}

/**
 * Mends, in the environment of the process, what the AWS SDK reads there by itself: a final line break goes, a
 * choice is spelled as the SDK wants it, and a variable that is set and empty is taken away, since Go's SDK takes
 * it for absent and this one in part for a value.
 */
export function correctLibraryVariables(env: Record<string, string | undefined>): void {
  for (const { name, library, group, choices } of ENVIRONMENT_VARIABLES) {
    const value = env[name];
    // The SDK reads the keys by itself for a profile with `credential_source = Environment`.
    const isRead = library === true || group === 'aws';
    if (!isRead || value === undefined) continue;
    const text = value.replace(LINE_BREAK_AT_END, '');
    if (text === '') Reflect.deleteProperty(env, name);
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

const NOT_ASCII = 'contains a character that is not ASCII';

/** What is wrong with a text of one line, without quoting it. */
function strayProblem(text: string): string | undefined {
  if (/[\r\n]/.test(text)) return 'contains a line break: take it out';
  if (/^\s|\s$|\ufeff/.test(text)) return 'begins or ends with a blank or a byte order mark: take it out';
  if (/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028\u2029\ufffd]/.test(text)) {
    return 'contains a control character: take it out';
  }
  return undefined;
}
