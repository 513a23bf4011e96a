import { lstat } from 'node:fs/promises';

import { inject, injectable } from 'tsyringe';

import { DELETE_FINALIZER } from '../../api/group.js';
import type { EncryptionContext, SecretItem } from '../../api/resources.js';
import { nonEmptyContext } from '../../api/validation.js';
import type { KeyApi } from '../../kms/key-api.js';
import { TOKENS } from '../../tokens.js';
import type { KvLocation, KvLocator } from '../../vault/kv-locator.js';
import type { KvReading, KvStore } from '../../vault/kv-store.js';
import { AuthorError } from '../author-error.js';
import type { Console } from '../console.js';
import { creationRuleFor } from '../keys/creation-rules.js';
import { pairsText } from '../keys/effective-context.js';
import { importableValues } from './importable-values.js';
import { createFile, fileExists, manifestText } from './new-manifest.js';
import { parseResourceName } from './resource-name.js';

export interface ImportRequest {
  /** Of the secret in Vault. */
  readonly path: string;
  /** `[NAMESPACE/]NAME` of the new resource. */
  readonly as: string;
  readonly keyId?: string | undefined;
  readonly context?: EncryptionContext | undefined;
  /** A new file; absent: stdout. */
  readonly output?: string | undefined;
}

type Live = Extract<KvReading, { state: 'live' }>;

/** Turns a secret that Vault has into a resource that keeps it as it is. Changes nothing in Vault. */
@injectable()
export class ImportSecret {
  constructor(
    @inject(TOKENS.console) private readonly console: Console,
    @inject(TOKENS.keyApi) private readonly keys: Pick<KeyApi, 'encrypt'>,
    @inject(TOKENS.kvLocator) private readonly locator: Pick<KvLocator, 'locate'>,
    @inject(TOKENS.callerKvStore) private readonly store: Pick<KvStore, 'open'>,
  ) {}

  /** @throws AuthorError, VaultError, KmsError; no file is written then. */
  async run(request: ImportRequest): Promise<void> {
    const name = parseResourceName(request.as);
    const { output } = request;
    if (output !== undefined && (await exists(output))) throw fileExists(output);
    const { keyId, context } = await this.keyFor(request, `${name.name}.yaml`);
    const location = await this.locator.locate(request.path);
    const secret = await this.read(location);
    const values = importableValues(location.path, secret.data);
    const items = await this.encrypt(values, keyId, context);
    const text = manifestText({ name, location, context, items });
    if (output === undefined) this.console.write(text);
    else await createFile(output, text);
    const how = context === undefined ? 'no context' : `the context ${pairsText(context)}`;
    const count = `${String(items.length)} ${items.length === 1 ? 'key' : 'keys'}`;
    this.console.note(`imported ${count} of ${location.path}, encrypted with ${keyId} and ${how}`);
    this.console.note(takeover(location, secret));
  }

  private async keyFor(
    { keyId: option, context: given, output }: ImportRequest,
    fileName: string,
  ): Promise<{ keyId: string; context: EncryptionContext | undefined }> {
    const rule = await creationRuleFor(output ?? fileName);
    const keyId = option ?? rule?.keyId;
    if (keyId === undefined) {
      throw new AuthorError('no KMS key is known: give --key-id, or write a rule into .kms-vault.yaml');
    }
    return { keyId, context: nonEmptyContext(given ?? rule?.context) };
  }

  private async read({ path, engine }: KvLocation): Promise<Live> {
    const reading = await (await this.store.open(path, engine)).read();
    if (reading.state === 'live') return reading;
    if (reading.state === 'absent') throw new AuthorError(`there is no secret at ${path} in Vault`);
    const version = String(reading.version.version);
    throw new AuthorError(
      `the current version ${version} of ${path} is deleted: undelete it, or roll back to an older one, first`,
    );
  }

  private async encrypt(
    values: ReadonlyMap<string, string>,
    keyId: string,
    context: EncryptionContext = {},
  ): Promise<SecretItem[]> {
    return await Promise.all(
      [...values].map(async ([key, value]): Promise<SecretItem> => {
        if (value === '') return { key, emptySecret: true };
        const plaintext = Buffer.from(value);
        try {
          return { key, encryptedSecret: await this.keys.encrypt({ keyId, plaintext, context }) };
        } finally {
          plaintext.fill(0);
        }
      }),
    );
  }
}

/** What applying the resource means for the secret. */
function takeover({ path }: KvLocation, { version }: Live): string {
  const found = version === undefined ? path : `${path}, version ${String(version.version)},`;
  const history =
    version === undefined
      ? 'K/V v1 keeps no older values'
      : 'each of its writes is a new version, and the settings of the mount decide how many old ones stay';
  return (
    `once the resource is applied, the operator takes over ${path}: it finds ${found} equal and writes nothing; later it ` +
    `replaces whatever differs from the resource, by whomever it was written (${history}). Deleting the resource leaves ` +
    `the secret in Vault, unless it has the finalizer ${DELETE_FINALIZER}`
  );
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch {
    return false;
  }
}
