import { resolve } from 'node:path';

import { inject, injectable } from 'tsyringe';

import { SpecReview } from '../../admission/spec-review.js';
import { VaultPathRules } from '../../admission/vault-path-rules.js';
import { SECRET_KIND } from '../../api/group.js';
import type { PolicyOptions } from '../../config/cli-config.js';
import type { KeyApi } from '../../kms/key-api.js';
import type { PlaintextInspector } from '../../kms/plaintext-inspector.js';
import { sharedAbort } from '../../runtime/abort.js';
import { TOKENS } from '../../tokens.js';
import { AuthorError } from '../author-error.js';
import type { Console } from '../console.js';
import { patchFiles } from '../files/kustomize-patches.js';
import { manifestPaths } from '../files/manifest-folders.js';
import type { ManifestFile } from '../files/manifest-file.js';
import { type ManifestResource, record } from '../files/manifest-resource.js';
import { readManifest } from '../files/manifest-store.js';
import { CiphertextCheck, noInspector } from './ciphertext-check.js';
import { reviewPatch } from './patch-review.js';
import { PlacedFindings } from './placed-findings.js';
import { suspectPlaintexts } from './plaintext-suspicion.js';
import { policyOf } from './policy.js';
import { type CheckReport, countOf, type Problem } from './problem.js';
import { type ReportFormat, reportLines, uncheckedText } from './problem-formats.js';

export interface ValidateRequest {
  readonly paths: readonly string[];
  readonly format: ReportFormat;
  /** False: KMS is not asked. */
  readonly kms: boolean;
  /** A key that nobody may decrypt with. */
  readonly sinkKey?: string | undefined;
  /** As the webhook's flags. */
  readonly policy: PolicyOptions;
  /** Of resources that name none. */
  readonly namespace: string;
  readonly refusePlaintext: boolean;
}

/** Resources that are checked at a time; the requests to KMS are limited in addition. */
const CONCURRENCY = 20;

interface Subject {
  readonly path: string;
  readonly resource: ManifestResource;
  readonly isPatch: boolean;
  /** In the order of the file. */
  readonly problems: Problem[];
}

/** Judges files as the webhook would judge their resources. */
@injectable()
export class ValidateFiles {
  constructor(
    @inject(TOKENS.console) private readonly console: Console,
    @inject(TOKENS.inspector) private readonly inspector: Pick<PlaintextInspector, 'inspect'>,
    @inject(TOKENS.keyApi) private readonly keys: Pick<KeyApi, 'reEncrypt'>,
    @inject(TOKENS.maxConcurrentKmsRequests) private readonly maxConcurrentKmsRequests: number,
  ) {}

  /**
   * @returns whether there is no error, and everything could be checked.
   * @throws AuthorError when a path cannot be read, or an option is not valid.
   */
  async run(request: ValidateRequest): Promise<boolean> {
    const report = await this.check(request);
    const { console } = this;
    for (const line of reportLines(report, request.format)) console.print(line);
    const errors = countOf(report, 'error');
    if (report.unchecked !== undefined && request.format !== 'github')
      console.error(uncheckedText(report.unchecked));
    console.note(
      `${counted(report.resources, 'resource')} in ${counted(report.files, 'file')}: ${counted(errors, 'error')}, ` +
        counted(countOf(report, 'warning'), 'warning'),
    );
    return errors === 0 && report.unchecked === undefined;
  }

  private async check(request: ValidateRequest): Promise<CheckReport> {
    if (!request.kms && request.sinkKey !== undefined)
      throw new AuthorError('give only one of --no-kms and --sink-key');
    const items = new CiphertextCheck(this.inspectorFor(request), this.maxConcurrentKmsRequests);
    const { allowedPaths, requiredContext } = policyOf(request.policy, this.console);
    const specs = new SpecReview(items, new VaultPathRules(allowedPaths), requiredContext);
    const paths = await manifestPaths(request.paths);
    const patches = await patchFiles(paths);
    const problems: Problem[][] = [];
    const subjects: Subject[] = [];
    for (const path of paths) {
      const { file, unreadable } = await this.read(path);
      problems.push(unreadable);
      for (const resource of file?.resources ?? []) {
        const subject = { path, resource, isPatch: patches.has(resolve(path)), problems: [] };
        subjects.push(subject);
        problems.push(subject.problems);
      }
    }
    let next = 0;
    let done = 0;
    const reviewOneByOne = async (): Promise<void> => {
      for (let subject = subjects[next++]; subject !== undefined; subject = subjects[next++]) {
        await this.review(subject, request, specs, items);
        done += 1;
        this.console.progress(`checked ${String(done)} of ${counted(subjects.length, 'resource')}`);
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, reviewOneByOne));
    this.console.progressDone();
    const { outage, unchecked } = items;
    return {
      files: paths.length,
      resources: subjects.length,
      problems: problems.flat(),
      ...(outage === undefined ? {} : { unchecked: { ciphertexts: unchecked, reason: outage.message } }),
    };
  }

  private inspectorFor({ kms, sinkKey }: ValidateRequest): Pick<PlaintextInspector, 'inspect'> {
    if (!kms) return noInspector;
    if (sinkKey === undefined) return this.inspector;
    return {
      inspect: async ({ encryptedSecret, context }, signal) => {
        await this.keys.reEncrypt({ encryptedSecret, context, toKeyId: sinkKey }, signal);
        return { endsWithLineBreak: false };
      },
    };
  }

  private async read(
    path: string,
  ): Promise<{ readonly file?: ManifestFile; readonly unreadable: Problem[] }> {
    let file: ManifestFile;
    try {
      file = await readManifest(path);
    } catch (error) {
      if (!(error instanceof AuthorError)) throw error;
      const unreadable = { file: path, line: 1, column: 1, severity: 'error', code: 'Unreadable' } as const;
      return { unreadable: [{ ...unreadable, message: error.message }] };
    }
    // Another file may be a template, which is no YAML.
    const isOurs = file.text.includes(SECRET_KIND);
    const seen = new Set<number>();
    const unreadable: Problem[] = [];
    for (const { message, at } of isOurs ? file.problems : []) {
      // What follows on the same line follows from it.
      if (seen.has(at.line)) continue;
      seen.add(at.line);
      unreadable.push({ file: path, ...at, severity: 'error', code: 'InvalidYaml', message });
    }
    return { file, unreadable };
  }

  private async review(
    { path, resource, isPatch, problems }: Subject,
    { namespace, refusePlaintext }: ValidateRequest,
    specs: SpecReview,
    items: CiphertextCheck,
  ): Promise<void> {
    const found = {
      problems: new PlacedFindings(path, resource, 'error', problems),
      warnings: new PlacedFindings(path, resource, 'warning', problems),
      outages: new PlacedFindings(path, resource, 'error', problems, 'could not be checked: '),
    };
    const { object, kind } = resource;
    const { signal } = sharedAbort();
    if (refusePlaintext) suspectPlaintexts(object, found.problems);
    if (isPatch) await reviewPatch(object, items, found, signal);
    else {
      const { spec } = record(object);
      const subject = { kind, namespace: resource.namespace ?? namespace, name: resource.name, spec };
      await specs.review(subject, found, signal);
    }
    problems.sort((a, b) => a.line - b.line || a.column - b.column);
  }
}

function counted(count: number, what: string): string {
  return `${String(count)} ${what}${count === 1 ? '' : 's'}`;
}
