import type { AuthConfig } from '../config/config.js';
import { fileVariableOf } from '../config/file-variables.js';
import type {
  AuthenticatorDeps,
  CredentialsInFiles,
  VaultAuthenticator,
  VaultAuthMethod,
  VaultToken,
} from './authenticator.js';
import { CredentialFiles } from './credential-files.js';
import { withLineBreakNamed } from './final-line-break.js';
import { VaultError } from './vault-error.js';

type Values = Readonly<Record<string, string>>;

/**
 * Any auth method with credentials in files. Each login reads them and makes an authenticator of its own, so that
 * nothing keeps them in memory afterwards.
 */
export class FileAuthenticator implements VaultAuthenticator {
  readonly locksOut?: boolean;
  readonly usesUp?: string;
  readonly givesToken?: boolean;
  readonly inFiles: CredentialsInFiles;
  private readonly files: CredentialFiles;
  /** Where all files are missing and none is needed; it may keep a session of its own, such as one with AWS. */
  private readonly withoutFiles: VaultAuthenticator;

  constructor(
    private readonly method: VaultAuthMethod,
    private readonly config: AuthConfig,
    private readonly deps: AuthenticatorDeps,
  ) {
    this.files = new CredentialFiles(
      method.variables.flatMap((variable) => {
        const file = config.files?.[variable.name];
        return file === undefined ? [] : [{ variable, file }];
      }),
    );
    this.inFiles = this.files;
    this.withoutFiles = this.authenticator(config.values);
    const { locksOut, usesUp, givesToken } = this.withoutFiles;
    if (locksOut !== undefined) this.locksOut = locksOut;
    if (usesUp !== undefined) this.usesUp = usesUp;
    if (givesToken !== undefined) this.givesToken = givesToken;
  }

  /** @throws VaultError `unavailable` when a file cannot be used. */
  async login(signal?: AbortSignal): Promise<VaultToken> {
    const { values, succeeded } = this.files.take();
    const isEmpty = Object.keys(values).length === 0;
    const authenticator = isEmpty
      ? this.withoutFiles
      : this.authenticator({ ...this.config.values, ...values });
    try {
      const token = await authenticator.login(signal);
      succeeded();
      return token;
    } catch (error) {
      throw isEmpty ? error : this.withFilesNamed(error);
    }
  }

  private authenticator(values: Values): VaultAuthenticator {
    return withLineBreakNamed(this.method.create(values, this.deps), this.method.variables, values);
  }

  /** A refusal says where the credentials are from. */
  private withFilesNamed(error: unknown): unknown {
    if (!(error instanceof VaultError) || (error.isOutage && error.facts.status !== 403)) return error;
    const from = Object.entries(this.config.files ?? {}).map(
      ([name, file]) => `${name} is from ${fileVariableOf({ name })}=${file}`,
    );
    const message = `${error.message}; ${from.join(' and ')}`;
    return new VaultError(error.failure, message, error.facts, error.retryAfterMs, error.retry);
  }
}
