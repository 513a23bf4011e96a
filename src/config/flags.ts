import type { BuildInfo } from './config.js';
import { parseBool } from './values.js';

/** One flag of a program. Values are text here; each program parses its own. */
export interface FlagSpec {
  /** Without dashes. */
  readonly name: string;
  /** Undefined: the flag has no default and is absent unless it is given. */
  readonly default?: string;
  /** Shown in the help if the default is not a value, such as "all". */
  readonly defaultText?: string;
  readonly description: string;
  /** A boolean takes a value only after `=`, as in Go. */
  readonly boolean?: boolean;
  /** All values that the program accepts. */
  readonly choices?: readonly string[];
}

export interface ParsedFlags {
  readonly values: Readonly<Record<string, string | undefined>>;
  readonly faults: readonly string[];
  readonly wants: 'help' | 'version' | undefined;
}

/**
 * Parses a command line like Go's `flag` package: `-flag` and `--flag`, `--flag=value` and `--flag value`,
 * booleans with or without `=value`; the last of several wins. Unlike Go, it reports all problems at once and
 * refuses arguments that are not flags.
 */
export function parseFlags(argv: readonly string[], specs: readonly FlagSpec[]): ParsedFlags {
  const byName = new Map(specs.map((spec) => [spec.name, spec]));
  const values = Object.fromEntries(specs.map((spec) => [spec.name, spec.default]));
  const faults: string[] = [];
  let wants: ParsedFlags['wants'];
  const rest = [...argv];
  for (let argument = rest.shift(); argument !== undefined; argument = rest.shift()) {
    const match = /^--?([^-=][^=]*)(?:=([\s\S]*))?$/.exec(argument);
    if (match === null) {
      faults.push(`unexpected argument ${JSON.stringify(argument)}: only flags are accepted; see --help`);
      continue;
    }
    const [, name = '', inline] = match;
    if (name === 'h' || name === 'help') {
      wants = 'help';
    } else if (name === 'version') {
      wants ??= 'version';
    } else {
      const read = readValue(name, byName.get(name), inline, rest);
      if ('fault' in read) faults.push(read.fault);
      else values[name] = read.value;
    }
  }
  return { values, faults, wants };
}

/** Takes the value of a flag after `=` or from the next argument. */
function readValue(
  name: string,
  spec: FlagSpec | undefined,
  inline: string | undefined,
  rest: string[],
): { readonly value: string } | { readonly fault: string } {
  if (spec === undefined) {
    // Skip the value of the unknown flag, so that it is not reported as well.
    if (inline === undefined && rest[0]?.startsWith('-') === false) rest.shift();
    return { fault: `unknown flag --${name}: see --help for all flags` };
  }
  if (spec.boolean === true) {
    const parsed = parseBool(inline ?? 'true');
    return 'problem' in parsed ? { fault: `--${name} ${parsed.problem}` } : { value: String(parsed.value) };
  }
  const value = inline ?? rest.shift();
  return value === undefined ? { fault: `--${name} needs a value` } : { value };
}

/** The text of `--help`: every flag with its default. */
export function helpText(program: string, purpose: string, specs: readonly FlagSpec[]): string {
  const lines = [`${program}: ${purpose}`, '', `Usage: ${program} [flags]`, '', 'Flags:'];
  const builtIn: FlagSpec[] = [
    { name: 'help', description: 'Print this text and exit.' },
    { name: 'version', description: 'Print version, commit and Node version and exit.' },
  ];
  for (const spec of [...specs, ...builtIn]) {
    const shown = spec.defaultText ?? (spec.default === undefined ? undefined : JSON.stringify(spec.default));
    lines.push(`  --${spec.name}`);
    lines.push(`        ${spec.description}${shown === undefined ? '' : ` (default ${shown})`}`);
  }
  return `${lines.join('\n')}\n`;
}

export function versionText(program: string, build: BuildInfo): string {
  return `${program} ${build.version} (commit ${build.commit}, Node ${process.version})\n`;
}

/** One line per problem, whatever the command line contains. */
export function faultText(program: string, faults: readonly string[]): string {
  return faults.map((fault) => `${program}: ${fault.replace(/[\r\n]+/g, ' ')}\n`).join('');
}
