import 'reflect-metadata';

import { Session } from 'node:inspector';
import { writeHeapSnapshot } from 'node:v8';

import { patternProblem } from '../../src/api/allowed-paths.js';
import { createOperatorContainer } from '../../src/composition/container.js';
import type { OperatorProgram } from '../../src/program/operator-program.js';
import { TOKENS } from '../../src/tokens.js';
import { parseOperatorCommand } from '../../src/config/operator-config.js';
import { secretVariables } from '../../src/config/secret-variables.js';
import { loadKubeConfig } from '../../src/kube/kubeconfig.js';
import { guardProcess } from '../../src/process-guard.js';
import { AUTH_METHODS } from '../../src/vault/authenticator-factory.js';

/** What the parent process may ask for, one thing at a time. */
export type Question =
  | { readonly ask: 'hold'; readonly text: string }
  | { readonly ask: 'snapshot'; readonly file: string }
  /** Texts as lists of bytes: a message must not put into memory what is looked for. */
  | { readonly ask: 'buffers'; readonly texts: readonly (readonly number[])[] };

interface Remote {
  readonly objectId: string;
}

// The operator as in `main.ts`, in a process that shows what its memory holds.
const build = { version: 'test', commit: 'test' };
const command = parseOperatorCommand(process.argv.slice(2), process.env, {
  authMethods: AUTH_METHODS,
  patternProblem,
  build,
});
if (command.action !== 'run') throw new Error(command.text);
const { config } = command;
const kubeConfig = loadKubeConfig({ file: config.kubeconfig, environment: process.env });
const variables = AUTH_METHODS.flatMap((method) => method.variables);
guardProcess(secretVariables(process.env, variables));
const program = createOperatorContainer({ config, kubeConfig, build }).resolve<OperatorProgram>(
  TOKENS.program,
);

/** Kept on purpose: shows that what is kept is found. */
const held: { texts: string[]; buffers: Buffer[] } = { texts: [], buffers: [] };

process.on('disconnect', () => process.exit(0));
process.on('message', (question: Question) => process.send?.(answer(question)));
await program.start();
process.send?.('started');

function answer(question: Question): string {
  switch (question.ask) {
    case 'hold':
      held.texts.push(question.text);
      held.buffers.push(Buffer.from(question.text));
      return 'held';
    case 'snapshot':
      return snapshot(question.file);
    case 'buffers':
      return String(occurrencesInBuffers(question.texts));
  }
}

/** V8 notes where lines begin once a debugger is on; otherwise it counts them for each function. */
function snapshot(file: string): string {
  const session = new Session();
  session.connect();
  session.post('Debugger.enable');
  // Collects garbage first.
  writeHeapSnapshot(file);
  session.disconnect();
  return file;
}

/** How often the texts are in buffers that anything refers to; a snapshot has no contents of buffers. */
function occurrencesInBuffers(texts: readonly (readonly number[])[]): number {
  const session = new Session();
  session.connect();
  const call = <T>(method: string, parameters: object): T => {
    let result: T | undefined;
    // Answered before it returns: the session is of this thread.
    session.post(method, parameters, (error, value) => {
      if (error !== null) throw new Error(`${method}: ${error.message}`);
      result = value as T;
    });
    return result as T;
  };
  const { result: prototype } = call<{ result: Remote }>('Runtime.evaluate', {
    expression: 'ArrayBuffer.prototype',
  });
  // Collects garbage first.
  const { objects } = call<{ objects: Remote }>('Runtime.queryObjects', {
    prototypeObjectId: prototype.objectId,
  });
  const { result } = call<{ result: { value: number } }>('Runtime.callFunctionOn', {
    objectId: objects.objectId,
    functionDeclaration: `function (texts) {
      let found = 0;
      for (const memory of this) {
        const bytes = new Uint8Array(memory);
        for (const text of texts) {
          for (let at = bytes.indexOf(text[0]); at !== -1; at = bytes.indexOf(text[0], at + 1)) {
            if (text.every((byte, index) => bytes[at + index] === byte)) found += 1;
          }
        }
      }
      return found;
    }`,
    arguments: [{ value: texts }],
    returnByValue: true,
  });
  session.disconnect();
  return result.value;
}
