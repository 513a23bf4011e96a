/** Nanoseconds of a day, which Go's `time.ParseDuration` does not know but Vault takes as the only unit (`7d`). */
const DAY_NS = 86_400_000_000_000n;
const SECOND_NS = 1_000_000_000n;
/** The largest `time.Duration` of Go, about 292 years. */
const MAX_NS = 2n ** 63n - 1n;

const UNITS_NS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  // U+00B5 and U+03BC, as Go spells them.
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: SECOND_NS,
  m: 60n * SECOND_NS,
  h: 3_600n * SECOND_NS,
};

const PART = /(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)/gy;

/**
 * Whole seconds of a duration as Vault reads and writes it: whole seconds (`90`), days (`7d`), or Go's syntax
 * (`1h30m`, `3h25m19s`); parts of a second are dropped, and an empty text is 0 (go-secure-stdlib,
 * parseutil.ParseDurationSecond; tried on OpenBao 2.5).
 *
 * @returns undefined when it is not such a duration, or exceeds Go's range.
 */
export function vaultSeconds(text: string): number | undefined {
  const found = nanoseconds(text);
  if (found === undefined || found > MAX_NS || found < -MAX_NS) return undefined;
  return Number(found / SECOND_NS);
}

/** As Go writes a duration of whole seconds: `1h30m0s`, `45s`, `0s`. */
export function goDuration(seconds: number): string {
  const [hours, minutes] = [Math.floor(seconds / 3_600), Math.floor((seconds % 3_600) / 60)];
  const rest = `${String(seconds % 60)}s`;
  if (hours > 0) return `${String(hours)}h${String(minutes)}m${rest}`;
  return minutes > 0 ? `${String(minutes)}m${rest}` : rest;
}

function nanoseconds(text: string): bigint | undefined {
  if (text === '') return 0n;
  const whole = /^([-+]?)(\d{1,20})(d?)$/.exec(text);
  if (whole !== null) {
    const [, sign, digits = '0', day] = whole;
    return signed(sign, BigInt(digits) * (day === 'd' ? DAY_NS : SECOND_NS));
  }
  const [, sign, parts = ''] = /^([-+]?)(.*)$/s.exec(text) ?? [];
  // A number of hundreds of digits is out of range whatever follows.
  if (parts === '' || parts.length > 100) return undefined;
  let total = 0n;
  for (PART.lastIndex = 0; PART.lastIndex < parts.length;) {
    const match = PART.exec(parts);
    const part = match === null ? undefined : nanosecondsOf(match);
    if (part === undefined) return undefined;
    total += part;
  }
  return signed(sign, total);
}

function nanosecondsOf([, whole = '', fraction = '', unit = '']: RegExpExecArray): bigint | undefined {
  const unitNs = UNITS_NS[unit];
  if (unitNs === undefined || (whole === '' && fraction === '')) return undefined;
  const fractionNs = (BigInt(fraction || '0') * unitNs) / 10n ** BigInt(fraction.length);
  return BigInt(whole || '0') * unitNs + fractionNs;
}

function signed(sign: string | undefined, value: bigint): bigint {
  return sign === '-' ? -value : value;
}
