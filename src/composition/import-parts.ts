import type { DependencyContainer } from 'tsyringe';

import type { Console } from '../cli/console.js';
import { ImportSecret } from '../cli/importing/import-secret.js';
import { TOKENS } from '../tokens.js';
import { KvLocator } from '../vault/kv-locator.js';
import { registerCallerVault } from './caller-vault.js';
import { registerServices } from './registration.js';

/**
 * Adds what `import` needs to the container of the author's tool.
 *
 * @throws AuthorError when a variable is not valid.
 */
export function addImport(
  container: DependencyContainer,
  foundations: { readonly environment: Record<string, string | undefined>; readonly console: Console },
): void {
  registerCallerVault(container, foundations);
  registerServices(container, [
    [TOKENS.kvLocator, KvLocator],
    [TOKENS.importSecret, ImportSecret],
  ]);
}
