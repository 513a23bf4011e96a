import { AllowedPaths, patternProblem } from '../../api/allowed-paths.js';
import { RequiredContext } from '../../api/required-context.js';
import { cliPolicy, type PolicyOptions } from '../../config/cli-config.js';
import { AuthorError } from '../author-error.js';
import type { Console } from '../console.js';

/** What the flags of the operator and the webhook allow. */
export interface Policy {
  readonly allowedPaths: AllowedPaths;
  readonly requiredContext: RequiredContext;
}

/** @throws AuthorError when an option is not valid; one line for each. */
export function policyOf(options: PolicyOptions, console: Pick<Console, 'warn'>): Policy {
  const parsed = cliPolicy(options, { patternProblem });
  if ('faults' in parsed) throw new AuthorError(parsed.faults.join('\n'));
  for (const warning of parsed.warnings) console.warn(warning);
  return {
    allowedPaths: AllowedPaths.of(parsed.patterns),
    requiredContext: RequiredContext.of(parsed.contexts),
  };
}
