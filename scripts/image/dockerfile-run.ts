import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { join, posix } from 'node:path';

import {
  type Arg,
  type Copy,
  DockerfileParser,
  type Entrypoint,
  From,
  type Instruction,
  type Label,
} from 'dockerfile-ast';

export interface RunOptions {
  /** The folder that the build sees. */
  readonly context: string;
  /** A folder for the stages; each gets one of its own in it, that stands for its root. */
  readonly workspace: string;
  readonly buildArguments: Readonly<Record<string, string>>;
  /** What the base image gives to RUN: PATH at the least. */
  readonly baseEnvironment: Readonly<Record<string, string>>;
  /** Takes a RUN step's place; true when it did. */
  readonly instead?: (command: string, folder: string) => boolean;
  readonly onStep?: (step: string) => void;
}

/** What the last stage of a Dockerfile comes to. */
export interface BuiltImage {
  /** The folder of its root file system. */
  readonly root: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly user: string;
  readonly entrypoint: readonly string[];
}

interface Stage {
  readonly root: string;
  folder: string;
  /** Declared so far, with default or given value. */
  readonly declared: Record<string, string>;
  readonly labels: Record<string, string>;
  user: string;
  entrypoint: string[];
}

/**
 * Goes through a Dockerfile's stages in order, on this machine in place of the base images: RUN steps see
 * the arguments that are declared before them and nothing else of this process's environment, and must keep
 * to paths relative to their working directory. Throws on an instruction that it does not know.
 */
export function runDockerfile(file: string, options: RunOptions): BuiltImage {
  const stages = new Map<string, Stage>();
  let stage: Stage | undefined;
  for (const instruction of DockerfileParser.parse(readFileSync(file, 'utf8')).getInstructions()) {
    options.onStep?.(`${instruction.getKeyword()} ${instruction.getArgumentsContent() ?? ''}`);
    if (instruction instanceof From) {
      const name = instruction.getBuildStage() ?? String(stages.size);
      stage = open(join(options.workspace, `stage-${name}`));
      stages.set(name, stage);
    } else if (stage === undefined) {
      throw new Error(`${instruction.getKeyword()} before the first FROM is not supported`);
    } else {
      apply(instruction, stage, stages, options);
    }
  }
  if (stage === undefined) throw new Error(`${file} has no FROM`);
  return stage;
}

function open(root: string): Stage {
  mkdirSync(root, { recursive: true });
  return { root, folder: '/', declared: {}, labels: {}, user: 'root', entrypoint: [] };
}

function apply(
  instruction: Instruction,
  stage: Stage,
  stages: ReadonlyMap<string, Stage>,
  options: RunOptions,
): void {
  const words = instruction.getArguments().map((argument) => expand(argument.getValue(), stage.declared));
  switch (instruction.getKeyword()) {
    case 'ARG': {
      const property = (instruction as Arg).getProperty();
      const name = property?.getName() ?? '';
      const value = options.buildArguments[name] ?? property?.getValue();
      if (value !== undefined && value !== null) stage.declared[name] = value;
      return;
    }
    case 'WORKDIR':
      stage.folder = posix.resolve(stage.folder, words[0] ?? '/');
      mkdirSync(join(stage.root, stage.folder), { recursive: true });
      return;
    case 'COPY':
      copy(instruction as Copy, words, stage, stages, options.context);
      return;
    case 'RUN': {
      const command = instruction.getArgumentsContent() ?? '';
      const folder = join(stage.root, stage.folder);
      if (options.instead?.(command, folder) === true) return;
      execFileSync('/bin/sh', ['-c', command], {
        cwd: folder,
        env: { ...options.baseEnvironment, ...stage.declared },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      return;
    }
    case 'LABEL':
      for (const label of (instruction as Label).getProperties()) {
        stage.labels[label.getName()] = expand(label.getValue() ?? '', stage.declared);
      }
      return;
    case 'USER':
      stage.user = words[0] ?? '';
      return;
    case 'ENTRYPOINT':
      stage.entrypoint = (instruction as Entrypoint)
        .getJSONStrings()
        .map((text) => JSON.parse(text.getValue()) as string);
      return;
    default:
      throw new Error(`${instruction.getKeyword()} is not supported`);
  }
}

function copy(
  instruction: Copy,
  words: readonly string[],
  stage: Stage,
  stages: ReadonlyMap<string, Stage>,
  context: string,
): void {
  const from = instruction.getFromFlag()?.getValue();
  const source = from === undefined || from === null ? context : stages.get(from)?.root;
  if (source === undefined) throw new Error(`COPY --from=${from ?? ''}: no such stage`);
  const sources = words.slice(0, -1);
  const last = words.at(-1) ?? '';
  const target = join(stage.root, posix.resolve(stage.folder, last));
  const isFolder = last.endsWith('/') || sources.length > 1;
  for (const name of sources) {
    const path = join(source, name);
    // Of a folder its contents are copied, of a file the file.
    const wholeFolder = statSync(path).isDirectory();
    mkdirSync(wholeFolder || isFolder ? target : posix.dirname(target), { recursive: true });
    execFileSync('cp', ['-a', wholeFolder ? `${path}/.` : path, target]);
  }
}

function expand(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replace(/\$(?:\{(\w+)\}|(\w+))/g, (_, braced?: string, bare?: string) => {
    return variables[braced ?? bare ?? ''] ?? '';
  });
}
