import { printable } from '../../api/printable.js';
import { CONTEXT_NOT_ALLOWED } from '../../api/required-context.js';
import type { Colour } from '../console.js';
import { metadataTexts } from './metadata-changes.js';
import { changedKeys, type Forecast, type ForecastSource, hasChanges, hasErrors } from './forecast.js';

type Paint = (colour: Colour, text: string) => string;

const ACTIONS: Readonly<Record<Forecast['action'], string>> = {
  create: 'will be created',
  update: 'will be updated',
  delete: 'will be deleted from Vault',
  none: 'no changes',
  blocked: 'will not be written',
  suspended: 'suspended, nothing is written',
  error: 'cannot be told',
};

const DELETIONS: Readonly<Record<Forecast['onDeletion']['value'], (detail: string) => string>> = {
  deleted: (detail) => `deletes ${detail} from Vault`,
  kept: (detail) => `the value stays in Vault: ${detail}`,
  waits: (detail) => `waits: ${detail}`,
  unknown: (detail) => `cannot be told: ${detail}`,
};

/** The lines about one resource; holds names, never a value. */
export function forecastLines(forecast: Forecast, source: ForecastSource, paint: Paint): string[] {
  const { secret, action, findings, conflict, notes, onDeletion } = forecast;
  const { namespace, name } = secret.metadata;
  const from = source === undefined ? 'in the cluster' : `${source.file}:${String(source.line)}`;
  return [
    `${paint('bold', printable(`KMSVaultSecret ${namespace}/${name}`, 600))} (${from}): ${ACTIONS[action]}`,
    ...placeLine(forecast),
    ...keyLines(forecast, paint),
    ...metadataTexts(forecast.metadata).map(
      (text) => `  ${paint('yellow', `~ metadata: ${printable(text, 300)}`)}`,
    ),
    ...findings
      .filter(({ reason }) => reason !== 'DecryptionFailed' && reason !== CONTEXT_NOT_ALLOWED)
      .map(({ reason, message }) => `  ${paint('red', '!')} ${reason}: ${message}`),
    ...(conflict === undefined
      ? []
      : [`  path of several resources: ${conflict.owner} owns it; also ${conflict.others.join(', ')}`]),
    ...notes.map((note) => `  ${paint('dim', 'note:')} ${note}`),
    `  ${paint('dim', 'on deletion:')} ${DELETIONS[onDeletion.value](printable(onDeletion.detail, 2_000))}`,
  ];
}

function placeLine({ path, engine, versions }: Forecast): string[] {
  if (path === undefined || engine === undefined) return [];
  const place = `  ${path} (K/V ${engine})`;
  if (versions === undefined) return [place];
  const { before, after } = versions;
  if (before === after)
    return [before === 0 ? `${place}: no version` : `${place}: version ${String(before)}`];
  const now = before === 0 ? 'none' : String(before);
  return [`${place}: version ${now} -> ${after === 0 ? 'none' : String(after)}`];
}

function keyLines(forecast: Forecast, paint: Paint): string[] {
  const { added, changed, removed, undecryptable, kept, unchanged } = forecast.keys;
  const line = (sign: string, colour: Colour) => (key: string) =>
    `  ${paint(colour, `${sign} ${printable(key)}`)}`;
  return [
    ...added.map(line('+', 'green')),
    ...changed.map(line('~', 'yellow')),
    ...removed.map(line('-', 'red')),
    ...undecryptable.map(({ key, reason, message, keepsValue }) => {
      const stays = keepsValue ? 'Vault keeps the value that it has' : 'Vault has no value for it';
      const why = reason === CONTEXT_NOT_ALLOWED ? 'is not decrypted' : 'cannot be decrypted';
      return `${line('!', 'red')(key)}: ${why} (${reason}): ${message}; ${stays}`;
    }),
    ...(hasChanges(forecast) && changedKeys(forecast) === 0 && makesVersion(forecast)
      ? ['  no key differs; it is written so that casIndex and the version stay in step']
      : []),
    ...(unchanged === 0 ? [] : [`  = ${count(unchanged, 'key')} unchanged`]),
    ...(kept.length === 0
      ? []
      : [
          `  = ${count(kept.length, 'key')} kept, without a definition: ${kept.map((key) => printable(key)).join(', ')}`,
        ]),
  ];
}

function makesVersion({ versions }: Forecast): boolean {
  return versions === undefined || versions.before !== versions.after;
}

/** The last line. */
export function summaryLine(forecasts: readonly Forecast[]): string {
  const total = (of: (forecast: Forecast) => number): number =>
    forecasts.reduce((sum, forecast) => sum + of(forecast), 0);
  const written = forecasts.filter(hasChanges).length;
  const failed = forecasts.filter(hasErrors).length;
  const keys = [
    `${String(total(({ keys: { added } }) => added.length))} to add`,
    `${String(total(({ keys: { changed } }) => changed.length))} to change`,
    `${String(total(({ keys: { removed } }) => removed.length))} to remove`,
    `${String(total(({ keys: { unchanged, kept } }) => unchanged + kept.length))} unchanged`,
    `${String(total(({ keys: { undecryptable } }) => undecryptable.length))} cannot be decrypted`,
  ];
  return (
    `Plan: ${count(written, 'secret')} of ${String(forecasts.length)} to write, ` +
    `${String(failed)} with errors; keys: ${keys.join(', ')}.`
  );
}

function count(number: number, noun: string): string {
  return `${String(number)} ${noun}${number === 1 ? '' : 's'}`;
}
