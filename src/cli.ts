import { buildInfo as build } from './build-info.js';
import type { ServiceParts } from './cli/command-definition.js';
import { Console } from './cli/console.js';
import { runCommandLine, unforeseenText } from './cli/program.js';

const { stdout, stderr, env: environment } = process;
// Whether the SDK will support this version of Node next year is no matter of an author.
environment.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
const console = new Console({ stdout, stderr, environment });

for (const event of ['uncaughtException', 'unhandledRejection']) {
  process.on(event, (error: unknown) => {
    console.error(unforeseenText(error));
    process.exit(1);
  });
}

// What reads the output may end first, such as `head`.
for (const stream of [stdout, stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

process.exitCode = await runCommandLine(process.argv.slice(2), {
  console,
  build,
  // Loads the libraries, which `--help` does without.
  service: async <T>(token: symbol, { vault, plan }: ServiceParts = {}): Promise<T> => {
    const { createCliContainer } = await import('./composition/cli-container.js');
    const container = createCliContainer({ environment, console, build });
    if (vault === true) {
      const { addImport } = await import('./composition/import-parts.js');
      addImport(container, { environment, console });
    }
    if (plan !== undefined) {
      const { addPlan } = await import('./composition/plan-parts.js');
      await addPlan(container, { environment, console }, plan);
    }
    return container.resolve<T>(token);
  },
});
