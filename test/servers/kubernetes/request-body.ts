import { parse as parseYaml } from 'yaml';

import { decodeProtobuf } from './protobuf.js';
import { badRequest, unsupportedMediaType } from './status-errors.js';

const JSON_TYPE = 'application/json';
const YAML_TYPE = 'application/yaml';
const PROTOBUF_TYPE = 'application/vnd.kubernetes.protobuf';

/** The document of a body: JSON, YAML, or protobuf of the kinds that kubectl sends so. @throws ApiError 415 or 400 */
export function parseBody(contentType: string | undefined, text: string): unknown {
  const type = (contentType ?? JSON_TYPE).split(';')[0]?.trim() ?? '';
  if (type === PROTOBUF_TYPE) return decodeProtobuf(Buffer.from(text, 'latin1'));
  if (type !== JSON_TYPE && type !== YAML_TYPE)
    throw unsupportedMediaType([JSON_TYPE, YAML_TYPE, PROTOBUF_TYPE]);
  if (text.trim() === '') throw badRequest('the request has no body: send the object');
  try {
    return type === YAML_TYPE ? (parseYaml(text) as unknown) : (JSON.parse(text) as unknown);
  } catch (error) {
    throw badRequest(`the object provided is unrecognized: ${(error as Error).message}`);
  }
}
