import type { Command } from 'commander';

import { Console } from '../../src/cli/console.js';
import { commandName, createProgram } from '../../src/cli/program.js';
import { code, plain, table } from './markdown.js';

/** The tree of commands, which can be read and not run. */
export function commandTree(): Command {
  const nowhere = { write: () => true };
  return createProgram({
    console: new Console({ stdout: nowhere, stderr: nowhere, environment: {} }),
    build: { version: '', commit: '' },
    service: () => Promise.reject(new Error('nothing runs here')),
    exitWith: () => undefined,
  });
}

/** The commands of the author's tool with their arguments and options, as the tool declares them. */
export function commandTables(): string {
  const program = commandTree();
  return [
    `${code(program.name())}, or ${code('kubectl-kms_vault')} by its own name. How to use it: [authoring.md](authoring.md).`,
    'For every command:',
    optionTable(program),
    ...program.commands.flatMap((command) => sectionOf(command)),
    table(
      ['exit code', 'meaning'],
      [
        ['0', 'done; also after `--help` and `--version`'],
        ['1', 'an error, which is on stderr; `view`: an item cannot be decrypted'],
        ['2', '`plan`: there are changes'],
      ],
    ),
  ].join('\n\n');
}

function sectionOf(command: Command): string[] {
  const words = command.registeredArguments.map((argument) => {
    const name = `${argument.name()}${argument.variadic ? '…' : ''}`;
    return argument.required ? `<${name}>` : `[${name}]`;
  });
  return [
    `### ${code(command.name())}`,
    code([commandName(command), ...words].join(' ')),
    plain(command.description()),
    ...(command.options.length === 0 ? [] : [optionTable(command)]),
  ];
}

function optionTable(command: Command): string {
  return table(
    ['option', 'meaning'],
    command.options.map(({ flags, description }) => [code(flags), plain(description)]),
  );
}
