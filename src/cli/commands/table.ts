import type { CommandDefinition } from '../command-definition.js';
import { completionCommand } from './completion.js';
import { editCommand } from './edit.js';
import { importCommand } from './import.js';
import { reencryptCommand } from './reencrypt.js';
import { planCommand } from './plan.js';
import { setCommand } from './set.js';
import { unsetCommand } from './unset.js';
import { validateCommand } from './validate.js';
import { viewCommand } from './view.js';

/** Every command, in the order of the help. */
export const COMMANDS: readonly CommandDefinition[] = [
  setCommand,
  unsetCommand,
  editCommand,
  viewCommand,
  validateCommand,
  reencryptCommand,
  importCommand,
  planCommand,
  completionCommand,
];
