import { readFile } from 'node:fs/promises';

/** The token for the credentials endpoint of a container is not usable. The message holds nothing of it. */
export class ContainerTokenError extends Error {
  constructor(problem: string) {
    super(`${problem}: check AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`);
    this.name = 'ContainerTokenError';
  }
}

/** The token in the file, without the line break at its end. */
export async function readContainerToken(file: string): Promise<string | ContainerTokenError> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return new ContainerTokenError(
      `the container's authorization token cannot be read (${code ?? 'no code'})`,
    );
  }
  const token = text.trim();
  if (token === '')
    return new ContainerTokenError("the file of the container's authorization token is empty");
  return /[^\u0020-\u007e]/.test(token)
    ? new ContainerTokenError(
        "the container's authorization token contains a line break or another character that is not allowed in an HTTP header",
      )
    : token;
}
