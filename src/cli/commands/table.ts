import type { CommandDefinition } from '../command-definition.js';
import { setCommand } from './set.js';

/** Every command, in the order of the help. */
export const COMMANDS: readonly CommandDefinition[] = [setCommand];
