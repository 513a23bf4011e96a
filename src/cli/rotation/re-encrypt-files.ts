import { realpath } from 'node:fs/promises';

import { inject, injectable } from 'tsyringe';

import { SECRET_KIND } from '../../api/group.js';
import { printable } from '../../api/printable.js';
import type { KeyApi } from '../../kms/key-api.js';
import { TOKENS } from '../../tokens.js';
import { AuthorError } from '../author-error.js';
import type { Console } from '../console.js';
import type { ItemValue } from '../files/item-values.js';
import type { ManifestFile } from '../files/manifest-file.js';
import { manifestPaths } from '../files/manifest-folders.js';
import { itemsIn, type ManifestResource, record } from '../files/manifest-resource.js';
import { readManifest, writeManifest } from '../files/manifest-store.js';
import type { Position } from '../files/yaml-source.js';
import { creationRuleFor } from '../keys/creation-rules.js';
import { KEY_ID_ANNOTATION } from '../keys/key-rules.js';
import { ContextGivers, type PossibleContexts } from './context-givers.js';
import { type Outcome, ReEncryption } from './re-encryption.js';
import { type RotationTally, tallyText } from './rotation-tally.js';

export interface ReEncryptFilesRequest {
  readonly paths: readonly string[];
  /** Id, ARN or alias of the new key. */
  readonly to: string;
  /** KMS is asked, and nothing is written. */
  readonly dryRun: boolean;
}

/** One value of one file. */
interface Ciphertext {
  readonly resource: ManifestResource;
  readonly key: string;
  readonly encryptedSecret: string;
  readonly at: Position;
  readonly contexts: PossibleContexts;
}

/** Moves the values of files to another KMS key. What fails stays as it is. */
@injectable()
export class ReEncryptFiles {
  constructor(
    @inject(TOKENS.console) private readonly console: Console,
    @inject(TOKENS.keyApi) private readonly keys: Pick<KeyApi, 'reEncrypt'>,
  ) {}

  /**
   * @returns whether every value is under the key now.
   * @throws AuthorError when a path cannot be read.
   */
  async run({ paths, to, dryRun }: ReEncryptFilesRequest): Promise<boolean> {
    const { console } = this;
    const tally: RotationTally = { moved: 0, already: 0, failed: 0, untried: 0 };
    const files = await this.read(paths, tally);
    const givers = new ContextGivers(files.flatMap(({ resources }) => resources));
    const work = files.map((file) => ({ file, values: valuesOf(file, givers) }));
    const total = work.reduce((sum, { values }) => sum + values.length, 0);
    const reEncryption = new ReEncryption(this.keys, to);
    let keyArn: string | undefined;
    let done = 0;
    await Promise.all(
      work.map(async ({ file, values }) => {
        const outcomes = await Promise.all(
          values.map(async ({ encryptedSecret, contexts }) => {
            const outcome = await reEncryption.move(encryptedSecret, contexts);
            if ('keyArn' in outcome) keyArn ??= outcome.keyArn;
            done += 1;
            console.progress(`${String(done)} of ${String(total)} values`);
            return outcome;
          }),
        );
        await this.apply(file, values, outcomes, tally, dryRun);
      }),
    );
    console.progressDone();
    const { outage } = reEncryption;
    if (outage !== undefined) console.error(`${outage.message}: run it again when KMS is available`);
    console.print(tallyText(tally, to, dryRun));
    if (keyArn !== undefined) await this.warnOfOldKeys(files, to, keyArn);
    return tally.failed === 0 && tally.untried === 0;
  }

  private async read(paths: readonly string[], tally: RotationTally): Promise<ManifestFile[]> {
    const files = new Map<string, ManifestFile>();
    for (const path of await manifestPaths(paths)) {
      const file = await readManifest(path);
      const [problem] = file.problems;
      if (problem === undefined) {
        // A file under two names would be changed twice.
        const target = await realpath(path);
        if (!files.has(target)) files.set(target, file);
      } else if (file.text.includes(SECRET_KIND)) {
        this.fail(tally, path, problem.at, problem.message);
      }
    }
    return [...files.values()];
  }

  private async apply(
    file: ManifestFile,
    values: readonly Ciphertext[],
    outcomes: readonly Outcome[],
    tally: RotationTally,
    dryRun: boolean,
  ): Promise<void> {
    const changes = new Map<ManifestResource, Map<string, ItemValue>>();
    values.forEach(({ resource, key }, index) => {
      const outcome = outcomes[index];
      if (outcome?.state !== 'moved') return;
      const items = changes.get(resource) ?? new Map<string, ItemValue>();
      changes.set(resource, items.set(key, { encryptedSecret: outcome.encryptedSecret }));
    });
    const refused = new Map([...changes].map(([resource, items]) => [resource, edit(resource, items)]));
    let lost: string | undefined;
    try {
      if (!dryRun && file.text !== file.original) await writeManifest(file);
    } catch (error) {
      if (!(error instanceof AuthorError)) throw error;
      lost = error.message;
    }
    values.forEach((value, index) => {
      const outcome = outcomes[index] ?? { state: 'untried' };
      const problem =
        outcome.state === 'failed'
          ? outcome.problem
          : outcome.state === 'moved'
            ? (refused.get(value.resource)?.get(value.key) ?? lost)
            : undefined;
      if (problem !== undefined) {
        this.fail(tally, file.path, value.at, `key "${printable(value.key)}": ${problem}`);
      } else if (outcome.state !== 'failed') tally[outcome.state] += 1;
    });
  }

  private fail(tally: RotationTally, path: string, { line, column }: Position, problem: string): void {
    tally.failed += 1;
    this.console.error(`${path}:${String(line)}:${String(column)}: ${problem}`);
  }

  /** What names the key of new values is not changed by this command. */
  private async warnOfOldKeys(files: readonly ManifestFile[], to: string, keyArn: string): Promise<void> {
    const isNew = (id: string): boolean => id === to || id === keyArn || keyArn.endsWith(`:key/${id}`);
    const said = new Set<string>();
    for (const { path, resources } of files) {
      for (const resource of resources) {
        const id = resource.annotation(KEY_ID_ANNOTATION);
        if (id !== undefined && !isNew(id)) {
          said.add(
            `the annotation ${KEY_ID_ANNOTATION} of ${resource.title} in ${path} names ${printable(id)}`,
          );
        }
      }
      if (resources.length === 0) continue;
      const rule = await creationRuleFor(path);
      if (rule?.keyId !== undefined && !isNew(rule.keyId))
        said.add(`${rule.file} names ${printable(rule.keyId)}`);
    }
    for (const fact of said) {
      this.console.warn(
        `${fact}, which new values are encrypted with: change it, unless it stands for the new key`,
      );
    }
  }
}

/**
 * Changes all items at once, or, if one of them cannot be changed, each alone.
 *
 * @returns why, for those that stay as they are.
 */
function edit(resource: ManifestResource, items: ReadonlyMap<string, ItemValue>): Map<string, string> {
  try {
    resource.setItems(items);
    return new Map();
  } catch (error) {
    if (!(error instanceof AuthorError)) throw error;
    if (items.size === 1) return new Map([...items.keys()].map((key) => [key, error.message]));
    return new Map([...items].flatMap((item) => [...edit(resource, new Map([item]))]));
  }
}

/** Everything that has a ciphertext; one that `emptySecret` makes void is left alone. */
function valuesOf({ resources }: ManifestFile, givers: ContextGivers): Ciphertext[] {
  return resources.flatMap((resource) =>
    itemsIn(resource.object).flatMap((item, index): Ciphertext[] => {
      const { key, encryptedSecret, emptySecret } = record(item);
      if (typeof key !== 'string' || typeof encryptedSecret !== 'string' || encryptedSecret === '') return [];
      if (emptySecret === true) return [];
      const at = resource.positionOf(['spec', 'secrets', index, 'encryptedSecret']);
      return [{ resource, key, encryptedSecret, at, contexts: givers.contextsFor(resource, key) }];
    }),
  );
}
