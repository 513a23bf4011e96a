import { textAt } from './objects.js';
import { badRequest, unsupportedMediaType } from './status-errors.js';

/** How one field of a message is read: a scalar, a list of them, a map, or another message. */
type FieldType = 'string' | 'bytes' | 'int' | 'bool' | 'strings' | 'map' | 'bytesMap' | Message | [Message];
interface Message {
  readonly [number: number]: readonly [name: string, type: FieldType];
}

// Field numbers from the generated.proto files of k8s.io/apimachinery and k8s.io/api.
const META: Message = {
  1: ['name', 'string'],
  2: ['generateName', 'string'],
  3: ['namespace', 'string'],
  5: ['uid', 'string'],
  6: ['resourceVersion', 'string'],
  11: ['labels', 'map'],
  12: ['annotations', 'map'],
  14: ['finalizers', 'strings'],
};
const RULE: Message = {
  1: ['verbs', 'strings'],
  2: ['apiGroups', 'strings'],
  3: ['resources', 'strings'],
  4: ['resourceNames', 'strings'],
  5: ['nonResourceURLs', 'strings'],
};
const ROLE: Message = { 1: ['metadata', META], 2: ['rules', [RULE]] };
const SUBJECT: Message = {
  1: ['kind', 'string'],
  2: ['apiGroup', 'string'],
  3: ['name', 'string'],
  4: ['namespace', 'string'],
};
const ROLE_REF: Message = { 1: ['apiGroup', 'string'], 2: ['kind', 'string'], 3: ['name', 'string'] };
const BINDING: Message = { 1: ['metadata', META], 2: ['subjects', [SUBJECT]], 3: ['roleRef', ROLE_REF] };
const RESOURCE_ATTRIBUTES: Message = {
  1: ['namespace', 'string'],
  2: ['verb', 'string'],
  3: ['group', 'string'],
  4: ['version', 'string'],
  5: ['resource', 'string'],
  6: ['subresource', 'string'],
  7: ['name', 'string'],
};
const PATH_ATTRIBUTES: Message = { 1: ['path', 'string'], 2: ['verb', 'string'] };
const OBJECT_REFERENCE: Message = {
  1: ['kind', 'string'],
  2: ['apiVersion', 'string'],
  3: ['name', 'string'],
  4: ['uid', 'string'],
};

/** The kinds that `kubectl create`, `auth` and `token` send as protobuf. */
const MESSAGES: Readonly<Record<string, Message>> = {
  Namespace: { 1: ['metadata', META], 2: ['spec', { 1: ['finalizers', 'strings'] }] },
  ServiceAccount: { 1: ['metadata', META], 4: ['automountServiceAccountToken', 'bool'] },
  ConfigMap: {
    1: ['metadata', META],
    2: ['data', 'map'],
    3: ['binaryData', 'bytesMap'],
    4: ['immutable', 'bool'],
  },
  Secret: {
    1: ['metadata', META],
    2: ['data', 'bytesMap'],
    3: ['type', 'string'],
    4: ['stringData', 'map'],
    5: ['immutable', 'bool'],
  },
  Role: ROLE,
  ClusterRole: ROLE,
  RoleBinding: BINDING,
  ClusterRoleBinding: BINDING,
  TokenRequest: {
    1: ['metadata', META],
    2: [
      'spec',
      {
        1: ['audiences', 'strings'],
        3: ['boundObjectRef', OBJECT_REFERENCE],
        4: ['expirationSeconds', 'int'],
      },
    ],
  },
  SelfSubjectReview: { 1: ['metadata', META] },
  SelfSubjectAccessReview: {
    1: ['metadata', META],
    2: [
      'spec',
      { 1: ['resourceAttributes', RESOURCE_ATTRIBUTES], 2: ['nonResourceAttributes', PATH_ATTRIBUTES] },
    ],
  },
};

/** `runtime.Unknown`, the envelope of every object. */
const ENVELOPE: Message = {
  1: ['type', { 1: ['apiVersion', 'string'], 2: ['kind', 'string'] }],
  2: ['raw', 'bytes'],
};
/** "k8s" and a zero, before the envelope. */
const MAGIC = Buffer.from('6b387300', 'hex');

/**
 * An object in Kubernetes' protobuf encoding, for the few kinds that kubectl sends so.
 *
 * @throws ApiError 415 for any other kind, 400 for what cannot be read.
 */
export function decodeProtobuf(body: Buffer): Record<string, unknown> {
  if (!body.subarray(0, MAGIC.length).equals(MAGIC))
    throw badRequest('provided data does not appear to be a protobuf message');
  const envelope = decode(body.subarray(MAGIC.length), ENVELOPE);
  const { apiVersion, kind } = (envelope['type'] ?? {}) as { apiVersion?: string; kind?: string };
  const message = MESSAGES[kind ?? ''];
  if (message === undefined) throw unsupportedMediaType(['application/json', 'application/yaml']);
  const raw = Buffer.from((envelope['raw'] as string | undefined) ?? '', 'base64');
  return { apiVersion, kind, ...decode(raw, message) };
}

function decode(bytes: Buffer, message: Message): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  const reader = new Reader(bytes);
  while (!reader.done) {
    const tag = reader.varint();
    const field = message[Math.floor(tag / 8)];
    const value = reader.value(tag % 8);
    if (field === undefined) continue;
    const [name, type] = field;
    // Go writes empty strings where JSON would leave the field out.
    const isEmpty =
      typeof value !== 'number' && value.length === 0 && (type === 'string' || type === 'bytes');
    if (!isEmpty) result[name] = fieldValue(type, value, result[name]);
  }
  return result;
}

/** A field's value after one more occurrence; `before` is what earlier ones made of a list or map. */
function fieldValue(type: FieldType, value: number | Buffer, before: unknown): unknown {
  if (typeof value === 'number') return type === 'bool' ? value === 1 : value;
  if (Array.isArray(type)) return [...((before as unknown[] | undefined) ?? []), decode(value, type[0])];
  if (typeof type === 'object') return decode(value, type);
  if (type === 'strings') return [...((before as string[] | undefined) ?? []), value.toString('utf8')];
  if (type === 'map' || type === 'bytesMap') {
    const inner = type === 'map' ? 'string' : 'bytes';
    const entry = decode(value, { 1: ['key', 'string'], 2: ['value', inner] });
    return { ...(before as object | undefined), [textAt(entry, 'key')]: textAt(entry, 'value') };
  }
  return value.toString(type === 'bytes' ? 'base64' : 'utf8');
}

class Reader {
  private position = 0;

  constructor(private readonly bytes: Buffer) {}

  get done(): boolean {
    return this.position >= this.bytes.length;
  }

  varint(): number {
    let result = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.bytes[this.position];
      if (byte === undefined) throw badRequest('the protobuf message ends too early');
      this.position += 1;
      result += (byte & 127) * factor;
      if (byte < 128) return result;
    }
  }

  /** A number, or the bytes of anything longer. */
  value(wireType: number): number | Buffer {
    if (wireType === 0) return this.varint();
    const length = wireType === 2 ? this.varint() : wireType === 5 ? 4 : 8;
    if (![1, 2, 5].includes(wireType) || this.position + length > this.bytes.length) {
      throw badRequest('the protobuf message cannot be read');
    }
    this.position += length;
    return this.bytes.subarray(this.position - length, this.position);
  }
}
