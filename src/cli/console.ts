import { printable } from '../api/printable.js';

/** What a stream of the process is used for here. */
export interface OutputStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export interface ConsoleOptions {
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export type Colour = 'red' | 'green' | 'yellow' | 'bold' | 'dim';

/** SGR parameters of ECMA-48: what switches a colour on, and off again. */
const SGR: Readonly<Record<Colour, readonly [on: number, off: number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
};

/**
 * What the author's tool says. Results go to stdout; notes, warnings, errors and progress go to stderr, so that the
 * output of a command can be piped.
 */
export class Console {
  /** Leaves out notes and progress; results, warnings and errors are still shown. */
  quiet = false;
  private progressShown = false;

  constructor(private readonly options: ConsoleOptions) {}

  /** A line of the result. */
  print(line: string): void {
    this.clearProgress();
    this.options.stdout.write(`${line}\n`);
  }

  /** Text of the result, as it is: no line break is added. */
  write(text: string): void {
    this.clearProgress();
    this.options.stdout.write(text);
  }

  /** A value alone, exactly as it is when the output is piped; a terminal gets a line break behind it. */
  value(text: string): void {
    this.write(this.options.stdout.isTTY === true && !text.endsWith('\n') ? `${text}\n` : text);
  }

  /** What was done, for people. */
  note(line: string): void {
    if (!this.quiet) this.say(shown(line));
  }

  warn(line: string): void {
    this.say(`${this.colourOnStderr('yellow', 'warning:')} ${shown(line)}`);
  }

  error(line: string): void {
    this.say(`${this.colourOnStderr('red', 'error:')} ${shown(line)}`);
  }

  /** One line that replaces the one before, on a terminal only. Call {@link progressDone} at the end. */
  progress(line: string): void {
    const { stderr } = this.options;
    if (this.quiet || stderr.isTTY !== true) return;
    const width = Math.max(1, (stderr.columns ?? 80) - 1);
    stderr.write(`\r\u001b[K${shown(line).slice(0, width)}`);
    this.progressShown = true;
  }

  progressDone(): void {
    this.clearProgress();
  }

  /** Where a person is asked: what stdout gives may be piped. */
  terminal<Input>(input: Input): { readonly input: Input; readonly output: OutputStream } {
    this.clearProgress();
    return { input, output: this.options.stderr };
  }

  /** Colours text for stdout, if that is a terminal and `NO_COLOR` (https://no-color.org) is not set. */
  colour(colour: Colour, text: string): string {
    return this.coloured(this.options.stdout, colour, text);
  }

  private colourOnStderr(colour: Colour, text: string): string {
    return this.coloured(this.options.stderr, colour, text);
  }

  private coloured(stream: OutputStream, colour: Colour, text: string): string {
    const { NO_COLOR: noColour, TERM: terminal } = this.options.environment;
    if (stream.isTTY !== true || (noColour ?? '') !== '' || terminal === 'dumb') return text;
    const [on, off] = SGR[colour];
    return `\u001b[${String(on)}m${text}\u001b[${String(off)}m`;
  }

  private say(line: string): void {
    this.clearProgress();
    this.options.stderr.write(`${line}\n`);
  }

  private clearProgress(): void {
    if (!this.progressShown) return;
    this.options.stderr.write('\r\u001b[K');
    this.progressShown = false;
  }
}

/** Names in files come from anybody: control characters could change what a terminal shows. Line breaks stay. */
function shown(text: string): string {
  return text
    .split('\n')
    .map((line) => printable(line, Infinity))
    .join('\n');
}
