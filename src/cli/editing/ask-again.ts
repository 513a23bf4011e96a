import { createInterface } from 'node:readline/promises';

/** Asks whether to edit again; Enter means yes, and so does anything but a no. Ctrl-C and Ctrl-D mean no. */
export async function askAgain({
  input,
  output,
}: {
  readonly input: NodeJS.ReadableStream;
  readonly output: { write(text: string): unknown };
}): Promise<boolean> {
  output.write('Edit again? [Y/n] ');
  const terminal = createInterface({ input });
  try {
    return await new Promise<boolean>((resolve) => {
      terminal.on('SIGINT', () => {
        terminal.close();
      });
      terminal.on('close', () => {
        resolve(false);
      });
      terminal.on('line', (answer) => {
        resolve(!/^\s*n/i.test(answer));
      });
    });
  } finally {
    terminal.close();
  }
}
