import { parse as parseYaml } from 'yaml';

import { badRequest, unsupportedMediaType } from './status-errors.js';

const JSON_TYPE = 'application/json';
const YAML_TYPE = 'application/yaml';

/**
 * The document of a body. A real server takes protobuf for built-in kinds too, which nothing here sends.
 *
 * @throws ApiError 415 for another media type, 400 for what cannot be read.
 */
export function parseBody(contentType: string | undefined, text: string): unknown {
  const type = (contentType ?? JSON_TYPE).split(';')[0]?.trim() ?? '';
  if (type !== JSON_TYPE && type !== YAML_TYPE) throw unsupportedMediaType([JSON_TYPE, YAML_TYPE]);
  if (text.trim() === '') throw badRequest('the request has no body: send the object');
  try {
    return type === YAML_TYPE ? (parseYaml(text) as unknown) : (JSON.parse(text) as unknown);
  } catch (error) {
    throw badRequest(`the object provided is unrecognized: ${(error as Error).message}`);
  }
}
