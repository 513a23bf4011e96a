import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

import type { Environment } from '../config/config.js';

/**
 * Whether the SDK may run a `credential_process` of a profile. Such a program inherits the environment of this process:
 * `fromProcess` of `@aws-sdk/credential-provider-process` has no option to change it.
 */
export function mayRunCredentialProcess(env: Environment): boolean {
  const files = [
    { given: env.AWS_CONFIG_FILE, name: 'config' },
    { given: env.AWS_SHARED_CREDENTIALS_FILE, name: 'credentials' },
  ];
  return files.some(({ given = '', name }) => {
    const file = given === '' ? join(homedir(), '.aws', name) : given;
    try {
      return /^[ \t]*credential_process[ \t]*=/m.test(readFileSync(file, 'utf8'));
    } catch {
      return false;
    }
  });
}
