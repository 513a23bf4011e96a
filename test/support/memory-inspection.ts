import { Session } from 'node:inspector';
import { writeHeapSnapshot } from 'node:v8';

/** What the parent process may ask for, one thing at a time. */
export type Question =
  | { readonly ask: 'hold'; readonly text: string }
  | { readonly ask: 'snapshot'; readonly file: string }
  /** Texts as lists of bytes: a message must not put into memory what is looked for. */
  | { readonly ask: 'buffers'; readonly texts: readonly (readonly number[])[] };

interface Remote {
  readonly objectId: string;
}

/** Kept on purpose: shows that what is kept is found. */
const held: { texts: string[]; buffers: Buffer[] } = { texts: [], buffers: [] };

/** Answers the parent process about the memory of this one, and ends with it. */
export function answerParent(): void {
  process.on('disconnect', () => process.exit(0));
  process.on('message', (question: Question) => process.send?.(answer(question)));
  process.send?.('started');
}

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
