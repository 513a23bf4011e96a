import { PARTIAL_REASONS } from '../../src/api/partial-reasons.js';
import { EVENTS, isReady, READY_REASONS, REASONS, type Retry } from '../../src/api/reasons.js';
import { readCiphertext } from '../../src/kms/ciphertext.js';
import { KmsError } from '../../src/kms/kms-error.js';
import { classifyKmsFailure, KNOWN_KMS_ERRORS } from '../../src/kms/kms-failures.js';
import { code, plain, table } from './markdown.js';

const RETRIED: Readonly<Record<Retry, string>> = {
  soon: 'with backoff, 0.5 s to 1 min',
  resync: 'every sync period',
  never: 'when the resource changes',
};

/** The reasons of the `Ready` condition in their order, those of failed keys, and the events. */
export function reasonTables(): string {
  const reasons = READY_REASONS.map((reason) => {
    const { meaning, actor, action, retry, alsoRetried, progress } = REASONS[reason];
    const name = reason === 'Synced' ? code(reason) : linked(reason);
    const retried = [RETRIED[retry], ...(alsoRetried === undefined ? [] : [alsoRetried])];
    return [
      name,
      isReady(reason) ? 'True' : 'False',
      progress === 'none' ? '' : code(progress),
      meaning,
      actor === 'nobody' ? '' : `${capital(actor)}: ${lower(action)}`,
      isReady(reason) ? '' : retried.join('; '),
    ];
  });
  const ownEvents = READY_REASONS.filter((reason) => REASONS[reason].event === 'own').map((reason) => [
    code(reason),
    'Warning',
    'As the reason of the condition.',
  ]);
  const keys = keyFailures().map((error) => [
    code(error.code),
    plain(error.message.replace(/; this one .*/, '')),
    RETRIED[error.retry],
  ]);
  return [
    'When several reasons apply, `Ready` has the first one in this table, and the message names the others.',
    table(['reason', 'Ready', 'kstatus', 'meaning', 'who must act', 'tried again'], reasons),
    'The column kstatus names the condition that is True beside `Ready`. `Reconciling`: a change waits, and the operator ' +
      'tries again soon. `Stalled`: only a person can help. Both are absent otherwise, never False. A key with wrong ' +
      'input, which is not tried again, also makes `DecryptionFailed` stall.',
    '### Reasons of a partial',
    table(
      ['reason', 'Ready', 'kstatus', 'meaning', 'who must act'],
      Object.entries(PARTIAL_REASONS).map(([reason, { ready, progress, meaning, actor, action }]) => [
        ready ? code(reason) : linked(reason),
        ready ? 'True' : 'False',
        progress === 'none' ? '' : code(progress),
        meaning,
        actor === 'nobody' ? '' : `${capital(actor)}: ${lower(action)}`,
      ]),
    ),
    '### Reasons of a failed key',
    '`status.failedKeys` has one of these for each key that `DecryptionFailed` counts. What to do: ' +
      '[runbooks.md](runbooks.md#decryptionfailed).',
    table(['reason', 'message', 'tried again'], keys),
    '## Events',
    'The reporting component is `kms-vault-controller`. A repeated event increments the count of the existing one.',
    table(['reason', 'type', 'meaning'], [...eventRows('Normal'), ...ownEvents, ...eventRows('Warning')]),
  ].join('\n\n');
}

function eventRows(type: string): string[][] {
  return Object.entries(EVENTS)
    .filter(([, event]) => event.type === type)
    .map(([reason, { meaning }]) => [code(reason), type, meaning]);
}

/** Every failure that a single key can have: found before KMS is asked, answered by KMS, found in its answer. */
function keyFailures(): KmsError[] {
  const notUtf8 = 'the decrypted value is not UTF-8 text, so Vault cannot store it';
  return [
    failureOf(() => readCiphertext('not base64')),
    failureOf(() => readCiphertext('')),
    ...[...KNOWN_KMS_ERRORS, 'ValidationException'].map((name) => classifyKmsFailure({ name })),
    new KmsError('wrong-input', 'NotUtf8', notUtf8),
  ];
}

function failureOf(read: () => unknown): KmsError {
  try {
    read();
  } catch (error) {
    if (error instanceof KmsError) return error;
  }
  throw new Error('a wrong ciphertext was accepted');
}

function linked(reason: string): string {
  return `[${code(reason)}](runbooks.md#${reason.toLowerCase()})`;
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

function lower(text: string): string {
  return /^[A-Z][a-z]/.test(text) ? text.slice(0, 1).toLowerCase() + text.slice(1) : text;
}
