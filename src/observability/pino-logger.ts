import { type DestinationStream, pino, type Logger as PinoLogger } from 'pino';

import type { LogConfig } from '../config/config.js';
import type { Facts, Logger } from './logger.js';
import { textLine } from './text-line.js';

/** Control characters and marks that reorder or hide text; JSON escapes only the 32 ASCII ones. */
const HOSTILE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;
const MAX_TEXT = 2_000;
const MAX_DEPTH = 4;
const MAX_ENTRIES = 50;

/**
 * A structured log on `stream` (stdout by default): one line per entry, whatever the facts contain. Errors are
 * reduced to their name, because messages of foreign errors may hold requests and headers.
 */
export function createLogger(config: LogConfig, stream?: DestinationStream): Logger {
  const destination = stream ?? pino.destination({ fd: 1, sync: true });
  const output =
    config.format === 'text' ? { write: (line: string) => destination.write(textLine(line)) } : destination;
  return new SafeLogger(
    pino(
      {
        level: config.level,
        base: null,
        timestamp: () => `,"time":"${new Date().toISOString()}"`,
        formatters: { level: (label) => ({ level: label }) },
      },
      output,
    ),
  );
}

class SafeLogger implements Logger {
  constructor(private readonly pino: PinoLogger) {}

  debug(message: string, facts?: Facts): void {
    if (this.pino.isLevelEnabled('debug')) this.pino.debug(harmless(facts), message);
  }

  info(message: string, facts?: Facts): void {
    this.pino.info(harmless(facts), message);
  }

  warn(message: string, facts?: Facts): void {
    this.pino.warn(harmless(facts), message);
  }

  error(message: string, facts?: Facts): void {
    this.pino.error(harmless(facts), message);
  }

  child(facts: Facts): Logger {
    return new SafeLogger(this.pino.child(harmless(facts)));
  }
}

function harmless(facts: Facts = {}): Record<string, unknown> {
  return cleanObject(facts, 1);
}

function cleanObject(value: Readonly<Record<string, unknown>>, depth: number): Record<string, unknown> {
  const entries = Object.entries(value).slice(0, MAX_ENTRIES);
  return Object.fromEntries(entries.map(([key, inner]) => [cleanText(key), clean(inner, depth)]));
}

function clean(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return cleanText(value);
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'function' || typeof value === 'symbol') return undefined;
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Error) return value.name;
  if (ArrayBuffer.isView(value)) return `${String(value.byteLength)} bytes`;
  if (depth >= MAX_DEPTH) return '…';
  if (Array.isArray(value)) return value.slice(0, MAX_ENTRIES).map((inner) => clean(inner, depth + 1));
  return cleanObject(value as Record<string, unknown>, depth + 1);
}

function cleanText(text: string): string {
  const cut = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
  return cut.replace(HOSTILE, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`);
}
